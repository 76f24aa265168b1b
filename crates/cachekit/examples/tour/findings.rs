//! What the analyses say about the whole tree.

use crate::analysis::{Analysis, Language};
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// How many entries a list of the first has.
const TOP: usize = 5;

/// The sums, and what stands out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Findings {
    /// All lines.
    pub(crate) lines: u64,
    /// Lines of code.
    pub(crate) code: u64,
    /// Lines of comments only.
    pub(crate) comment: u64,
    /// Blank lines.
    pub(crate) blank: u64,
    /// Functions with a name and a body.
    pub(crate) functions: u64,
    /// Markers of open work.
    pub(crate) todos: u64,
    /// Files by language.
    pub(crate) languages: BTreeMap<Language, u64>,
    /// The longest functions, at most one a file.
    pub(crate) longest_functions: Vec<LongFunction>,
    /// The files with the most markers of open work.
    pub(crate) most_todos: Vec<OpenWork>,
}

/// A long function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct LongFunction {
    /// Its name.
    pub(crate) name: String,
    /// Its file.
    pub(crate) path: String,
    /// The line of its name.
    pub(crate) line: u32,
    /// Its length.
    pub(crate) lines: u32,
}

/// A file with open work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct OpenWork {
    /// The file.
    pub(crate) path: String,
    /// Its markers.
    pub(crate) todos: u32,
}

/// Sums up the analyses of a tree.
pub(crate) fn sum_up(analyses: &[(String, Analysis)]) -> Findings {
    let mut findings = Findings::default();
    for (path, analysis) in analyses {
        findings.add(path, analysis);
    }
    // The sorts are stable: equals stay in the order of their paths.
    findings
        .longest_functions
        .sort_by_key(|function| Reverse(function.lines));
    findings.longest_functions.truncate(TOP);
    findings.most_todos.sort_by_key(|file| Reverse(file.todos));
    findings.most_todos.truncate(TOP);
    findings
}

impl Findings {
    fn add(&mut self, path: &str, analysis: &Analysis) {
        self.lines += u64::from(analysis.lines.total);
        self.code += u64::from(analysis.lines.code);
        self.comment += u64::from(analysis.lines.comment);
        self.blank += u64::from(analysis.lines.blank);
        self.functions += u64::from(analysis.functions);
        self.todos += u64::from(analysis.todos);
        *self.languages.entry(analysis.language).or_default() += 1;
        if let Some(function) = &analysis.longest {
            self.longest_functions.push(LongFunction {
                name: function.name.clone(),
                path: path.to_owned(),
                line: function.line,
                lines: function.lines,
            });
        }
        if analysis.todos > 0 {
            self.most_todos.push(OpenWork {
                path: path.to_owned(),
                todos: analysis.todos,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::sum_up;
    use crate::analysis::{Analysis, Language, analyse};

    fn file(path: &str, text: &str) -> (String, Analysis) {
        let analysis = analyse(Language::of(path), text.as_bytes());
        (path.to_owned(), analysis)
    }

    #[test]
    fn sums_are_over_all_files_and_lists_start_with_the_most() {
        let findings = sum_up(&[
            file("a.rs", "fn a() {\n}\n// TODO\n"),
            file("b.rs", "fn b() {\n\n}\n// TODO\n// FIXME\n"),
            file("c.md", "text\n"),
        ]);
        assert_eq!((findings.lines, findings.code, findings.comment), (9, 5, 3));
        assert_eq!((findings.functions, findings.todos), (2, 3));
        assert_eq!(findings.languages[&Language::Rust], 2);
        assert_eq!(findings.longest_functions[0].name, "b");
        assert_eq!(findings.most_todos[0].path, "b.rs");
        assert_eq!(findings.most_todos.len(), 2);
    }

    #[test]
    fn lists_are_cut_and_equals_keep_their_order() {
        let files: Vec<_> = (0..9)
            .map(|i| file(&format!("{i}.rs"), "fn a() {}\n"))
            .collect();
        let longest = sum_up(&files).longest_functions;
        let paths: Vec<&str> = longest.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(paths, ["0.rs", "1.rs", "2.rs", "3.rs", "4.rs"]);
    }
}
