//! The facts for people.
//!
//! Names in a tree come from outside: what could steer a terminal is replaced before it is shown.

use super::paint::Paint;
use crate::facts::{EarlierTree, Facts, PassFacts, Saved, ServerFacts, TreeFacts};
use crate::findings::Findings;
use crate::server::Place;
use crate::tree::{FileTree, Unreadable};
use crate::written::KeyKind;
use std::path::Path;

/// How many unreadable files are named.
const NAMED_UNREADABLE: usize = 5;

/// Which tree, and where its results are kept.
pub(super) fn opening(paint: Paint, root: &Path, place: &Place, tree: &FileTree) -> String {
    let place = match place {
        Place::Memory => {
            "in this process; with --redis URL a second run finds everything again".to_owned()
        }
        Place::Redis { url } => format!("on {}", safe(url)),
    };
    format!(
        "{} {}\n{} files, {}; cached {place}\n\n{}\n",
        paint.bold("A tour of"),
        paint.bold(&safe(&root.display().to_string())),
        tree.files.len(),
        size(tree.bytes()),
        paint.bold("Written, the first key of each kind"),
    )
}

/// A kind of key, at its first write.
pub(super) fn key(paint: Paint, kind: &KeyKind) -> String {
    format!(
        "  {:<8}{:>6} s  {}\n{:19}{}\n",
        kind.level,
        kind.ttl_seconds,
        paint.key(&safe(&kind.example)),
        "",
        paint.dim(&safe(&kind.holds)),
    )
}

/// Everything else, when all is done.
pub(super) fn closing(paint: Paint, facts: &Facts) -> String {
    let unreadable: Vec<&Unreadable> = facts
        .tree
        .unreadable
        .iter()
        .chain(&facts.passes[0].unreadable)
        .collect();
    [
        passes(paint, &facts.passes),
        saved(paint, &facts.saved, &facts.passes[0]),
        notes(paint, facts),
        found(paint, &facts.findings),
        left_out(&facts.tree),
        cannot_read(paint, &unreadable),
        where_to_look(paint, facts),
    ]
    .concat()
}

fn passes(paint: Paint, passes: &[PassFacts; 2]) -> String {
    let head = format!(
        "  {:<7}{:>7}{:>7}{:>8}{:>10}{:>9}{:>10}{:>9}{:>11}",
        "", "files", "hits", "misses", "tree ms", "read ms", "analyse", "cache", "total ms"
    );
    let rows = ["first", "second"]
        .into_iter()
        .zip(passes)
        .map(|(name, pass)| {
            let hits = format!("{:>7}", pass.counts.hits);
            let misses = format!("{:>8}", pass.counts.misses);
            format!(
                "  {name:<7}{:>7}{}{}{:>10.1}{:>9.1}{:>10.1}{:>9.1}{:>11.1}\n",
                pass.counts.files,
                if pass.counts.hits > 0 {
                    paint.good(&hits)
                } else {
                    hits
                },
                if pass.counts.misses > 0 {
                    paint.warn(&misses)
                } else {
                    misses
                },
                pass.tree_millis,
                pass.read_millis,
                pass.analyse_millis,
                pass.cache_millis,
                pass.millis,
            )
        });
    let rows: String = rows.collect();
    let title = paint.bold("Both passes");
    format!("\n{title}\n{}\n{rows}", paint.dim(&head))
}

fn saved(paint: Paint, saved: &Saved, first: &PassFacts) -> String {
    if saved.first_pass_was_warm {
        return warm(paint, saved, first);
    }
    if saved.millis <= 0.0 {
        let more = -saved.millis;
        let line = format!("Nothing saved: the second pass took {more:.1} ms more than the first");
        return format!("\n{}\n", paint.warn(&line));
    }
    let (total, share) = (first.millis, 100.0 * saved.millis / first.millis);
    let line = format!(
        "Saved {:.1} ms of {total:.1} ms ({share:.0} %)",
        saved.millis
    );
    format!("\n{}\n", paint.good(&line))
}

fn warm(paint: Paint, saved: &Saved, first: &PassFacts) -> String {
    let title = match first.counts.misses {
        0 => "The first pass was warm already: an earlier run has left its results".to_owned(),
        misses => {
            format!("The first pass was warm, but for {misses} files that have changed since")
        }
    };
    let line = match (saved.cold_run, saved.millis_since_cold_run) {
        (Some(run), Some(since)) if since > 0.0 => format!(
            "Saved {since:.1} ms of the {:.1} ms that the cold run took",
            run.millis
        ),
        (Some(run), _) => format!(
            "Nothing saved: the cold run took {:.1} ms, this first pass {:.1} ms",
            run.millis, first.millis
        ),
        _ => "No cold run is remembered to compare it with".to_owned(),
    };
    format!("\n{}\n{line}\n", paint.good(&title))
}

fn notes(paint: Paint, facts: &Facts) -> String {
    let (session, first) = (&facts.session, &facts.passes[0].counts);
    let (same, files) = (facts.saved.same_results, facts.passes[1].counts.files);
    let mut lines = Vec::new();
    if first.duplicate_hits > 0 {
        let count = first.duplicate_hits;
        let what = "hits of the first pass are files with the same content as an earlier one";
        lines.push(paint.dim(&format!("{count} {what}")));
    }
    if facts.tree.earlier == EarlierTree::Different {
        lines.push(paint.dim("The cached file tree was out of date, and has been replaced"));
    }
    if session.read_back != session.written {
        let (back, written) = (session.read_back, session.written);
        lines.push(paint.warn(&format!("The session gave back {back} of {written} values")));
    }
    let line = format!("The second pass gave the same results for {same} of {files} files");
    lines.push(paint.dim(&line));
    lines.join("\n") + "\n"
}

fn found(paint: Paint, found: &Findings) -> String {
    let mut text = format!(
        "\n{}\n  {} lines: {} code, {} comment, {} blank; {} functions, {} TODO or FIXME\n",
        paint.bold("Found"),
        found.lines,
        found.code,
        found.comment,
        found.blank,
        found.functions,
        found.todos,
    );
    if !found.longest_functions.is_empty() {
        text += &format!("  {}\n", paint.dim("longest functions"));
    }
    for function in &found.longest_functions {
        let (name, path) = (safe(&function.name), safe(&function.path));
        let place = paint.dim(&format!("{path}:{}", function.line));
        text += &format!("  {:>6} lines  {name}  {place}\n", function.lines);
    }
    if !found.most_todos.is_empty() {
        text += &format!("  {}\n", paint.dim("most open work"));
    }
    for file in &found.most_todos {
        text += &format!("  {:>6} marks  {}\n", file.todos, safe(&file.path));
    }
    text
}

fn left_out(tree: &TreeFacts) -> String {
    let skipped = tree.skipped;
    let kinds = [
        (skipped.ignored_dirs, "directories of builds and tools"),
        (skipped.binary, "binary files"),
        (skipped.too_large, "files over 1 MiB"),
        (skipped.not_regular, "links or devices"),
    ];
    let named: Vec<String> = kinds
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{what} ({count})"))
        .collect();
    if named.is_empty() {
        return String::new();
    }
    format!("  left out: {}\n", named.join(", "))
}

fn cannot_read(paint: Paint, unreadable: &[&Unreadable]) -> String {
    if unreadable.is_empty() {
        return String::new();
    }
    let mut text = format!("  {}\n", paint.warn("could not be read"));
    for entry in unreadable.iter().take(NAMED_UNREADABLE) {
        text += &format!("    {}: {}\n", safe(&entry.path), safe(&entry.reason));
    }
    if let Some(more) = unreadable.len().checked_sub(NAMED_UNREADABLE + 1) {
        text += &format!("    and {} more\n", more + 1);
    }
    text
}

fn where_to_look(paint: Paint, facts: &Facts) -> String {
    let ServerFacts {
        product,
        version,
        keys,
        used_memory,
    } = &facts.server;
    let line = format!(
        "{} {} holds {keys} keys in {}",
        safe(product),
        safe(version),
        size(*used_memory)
    );
    let mut text = format!("\n{}\n", paint.dim(&line));
    if let Place::Redis { url } = &facts.store {
        let pattern = format!("*{}*", facts.project);
        let command = format!("redis-cli -u {} --scan --pattern '{pattern}'", safe(url));
        text += &format!("{} {command}\n", paint.dim("Look at them:"));
    }
    text
}

/// Bytes as a person reads them.
fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let fitting = UNITS.into_iter().find(|(unit, _)| bytes >= *unit);
    match fitting {
        Some((unit, name)) => {
            let tenths = bytes.saturating_mul(10) / unit;
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} bytes"),
    }
}

/// The text without what could steer a terminal.
fn safe(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{cannot_read, key, safe, saved, size};
    use crate::facts::{ColdRun, PassFacts, Saved};
    use crate::pass::Pass;
    use crate::report::paint::Paint;
    use crate::tree::Unreadable;
    use crate::written::KeyKind;
    use std::time::Duration;

    const SAVED: Saved = Saved {
        millis: 75.0,
        first_pass_was_warm: false,
        cold_run: None,
        millis_since_cold_run: None,
        same_results: 1,
    };

    fn plain() -> Paint {
        Paint::fixed(false)
    }

    fn first(millis: u64, misses: u64) -> PassFacts {
        let mut pass = Pass::default();
        pass.times.analyse = Duration::from_millis(millis);
        pass.counts.misses = misses;
        PassFacts::new(&pass)
    }

    #[test]
    fn what_was_saved_is_said_as_measured() {
        assert!(
            saved(plain(), &SAVED, &first(100, 1)).contains("Saved 75.0 ms of 100.0 ms (75 %)")
        );
        let slower = Saved {
            millis: -2.0,
            ..SAVED
        };
        assert!(saved(plain(), &slower, &first(100, 1)).contains("2.0 ms more than the first"));
    }

    #[test]
    fn a_warm_first_pass_is_compared_with_the_cold_run() {
        let run = ColdRun {
            files: 1,
            millis: 50.0,
        };
        let warm = Saved {
            first_pass_was_warm: true,
            cold_run: Some(run),
            millis_since_cold_run: Some(40.0),
            ..SAVED
        };
        let text = saved(plain(), &warm, &first(10, 0));
        assert!(text.contains("warm already") && text.contains("Saved 40.0 ms of the 50.0 ms"));
        let unknown = Saved {
            cold_run: None,
            millis_since_cold_run: None,
            ..warm
        };
        assert!(saved(plain(), &unknown, &first(10, 3)).contains("No cold run"));
        assert!(saved(plain(), &unknown, &first(10, 3)).contains("but for 3 files"));
    }

    #[test]
    fn colours_are_there_only_where_they_are_wanted() {
        let kind = KeyKind {
            kind: "k",
            level: "session",
            ttl_seconds: 300,
            example: "session:a:b".to_owned(),
            holds: "h".to_owned(),
            writes: 1,
        };
        assert!(!key(plain(), &kind).contains('\x1b'));
        assert!(key(Paint::fixed(true), &kind).contains("\x1b[36msession:a:b\x1b[0m"));
        assert!(key(plain(), &kind).contains("   300 s  session:a:b"));
    }

    #[test]
    fn names_cannot_steer_the_terminal() {
        assert_eq!(safe("a\x1b[2Jb\n"), "a\u{fffd}[2Jb\u{fffd}");
    }

    #[test]
    fn sizes_have_a_unit_and_one_decimal() {
        assert_eq!(size(0), "0 bytes");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(3 << 20), "3.0 MiB");
    }

    #[test]
    fn a_long_list_of_unreadable_files_is_cut_and_says_so() {
        let entry = Unreadable {
            path: "p".to_owned(),
            reason: "r".to_owned(),
        };
        let text = cannot_read(plain(), &[&entry; 8]);
        assert_eq!(text.matches("p: r").count(), 5);
        assert!(text.ends_with("and 3 more\n"));
        assert!(!cannot_read(plain(), &[&entry; 5]).contains("more"));
    }
}
