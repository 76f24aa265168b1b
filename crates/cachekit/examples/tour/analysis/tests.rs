//! The analyser on small texts of each language.

use super::{Analysis, Function, Language, analyse, identity};

fn read(language: Language, text: &str) -> Analysis {
    analyse(language, text.as_bytes())
}

fn longest(language: Language, text: &str) -> Option<(String, u32, u32)> {
    let found = read(language, text).longest;
    found.map(|Function { name, line, lines }| (name, line, lines))
}

fn is_longest(language: Language, text: &str, name: &str, line: u32, lines: u32) {
    let expected = Some((name.to_owned(), line, lines));
    assert_eq!(longest(language, text), expected, "in {text}");
}

#[test]
fn lines_are_code_comment_or_blank_and_nothing_else() {
    let text = "// a\n\nfn f() {} // b\n/* c\n\n d */\nlet s = \"\n// e\n\";\n";
    let lines = read(Language::Rust, text).lines;
    assert_eq!(lines.total, 9);
    assert_eq!(lines.code, 4);
    assert_eq!(lines.comment, 3);
    assert_eq!(lines.blank, 2);
}

#[test]
fn the_last_line_counts_with_or_without_its_end() {
    for (text, total) in [("", 0), ("\n", 1), ("a", 1), ("a\n", 1), ("a\nb", 2)] {
        assert_eq!(read(Language::Rust, text).lines.total, total, "{text:?}");
    }
}

#[test]
fn markers_count_in_comments_only() {
    let text = "// TODO one\nlet x = \"TODO: none\";\n/* see FIXME: two */\n// about TODO comments\n// TODOS\n";
    assert_eq!(read(Language::Rust, text).todos, 2);
    assert_eq!(
        read(Language::Python, "# TODO(me): x\ny = 1  # FIXME\n").todos,
        2
    );
    assert_eq!(
        read(
            Language::Prose,
            "- TODO: write this\nWe count TODO markers.\n"
        )
        .todos,
        1
    );
}

#[test]
fn braces_in_strings_and_comments_do_not_end_a_function() {
    let text = r##"
fn short() {}
fn long<'a>(x: &'a str) -> char {
    let a = "}"; // }
    let b = r#"}"}"#; /* } /* } */ } */
    let c = b'}'; let d = '\u{7d}'; let e = '"';
    '}'
}
"##;
    is_longest(Language::Rust, text, "long", 3, 6);
    assert_eq!(read(Language::Rust, text).functions, 2);
}

#[test]
fn a_rust_signature_may_span_lines_and_hold_semicolons() {
    let text = "impl X {\n    pub async fn\n    name(a: [u8; 4],\n    ) -> u8\n    where\n        u8: Copy,\n    {\n        1\n    }\n}\n";
    is_longest(Language::Rust, text, "name", 2, 8);
}

#[test]
fn a_declaration_without_a_body_is_no_function() {
    let text = "trait T {\n    fn a(&self);\n    fn b(&self) {\n    }\n}\n";
    assert_eq!(read(Language::Rust, text).functions, 1);
    is_longest(Language::Rust, text, "b", 3, 2);
}

#[test]
fn a_closure_in_an_argument_belongs_to_its_function() {
    let text = "fn outer() {\n    call(|x| {\n        x\n    }, fn_pointer);\n    inner();\n}\n";
    assert_eq!(read(Language::Rust, text).functions, 1);
    is_longest(Language::Rust, text, "outer", 1, 6);
}

#[test]
fn python_functions_end_where_the_indentation_does() {
    let text = "def a(\n    x,\n):\n    \"\"\"\nnot code: def b():\n\"\"\"\n    if x:\n        return 1\n\n    # trailing\n\nclass C:\n    async def m(self):\n        return [\n1]\n\nprint('x')\n";
    assert_eq!(read(Language::Python, text).functions, 2);
    is_longest(Language::Python, text, "a", 1, 8);
}

#[test]
fn python_functions_nest() {
    let text = "def outer():\n    def inner():\n        pass\n    return inner\n";
    assert_eq!(read(Language::Python, text).functions, 2);
    is_longest(Language::Python, text, "outer", 1, 4);
}

#[test]
fn javascript_names_functions_in_many_ways() {
    for (text, name) in [
        ("function plain(a, b) {\n}\n", "plain"),
        ("export async function* gen() {\n}\n", "gen"),
        ("const arrow = async (a) => {\n}\n", "arrow"),
        ("const typed: Handler<A> = (a): void => {\n}\n", "typed"),
        ("let one = x => {\n}\n", "one"),
        ("this.handler = function (a) {\n}\n", "handler"),
        ("class A {\n  static async method(a) {\n  }\n}\n", "method"),
        (
            "class A {\n  generic<T>(a: T): Map<T, A> {\n  }\n}\n",
            "generic",
        ),
        ("const o = {\n  key: function () {\n  },\n}\n", "key"),
    ] {
        let found = longest(Language::Script, text).map(|(found, _, lines)| (found, lines));
        assert_eq!(found, Some((name.to_owned(), 2)), "in {text}");
    }
}

#[test]
fn javascript_control_and_callbacks_are_no_functions() {
    let text = "if (a) {\n}\nfor (const x of y) {\n}\nwhile (a) {\n}\ncall(a, () => {\n});\n";
    assert_eq!(longest(Language::Script, text), None);
}

#[test]
fn templates_and_regular_expressions_hide_their_braces() {
    let text = "function f(a) {\n  const t = `}${ a ? `{${ { b: 1 }.b }}` : '}' }{`;\n  const r = /[/}\"]{2}/;\n  return a / 2 / 1;\n}\nfunction g() {\n}\n";
    is_longest(Language::Script, text, "f", 1, 5);
    assert_eq!(read(Language::Script, text).functions, 2);
}

#[test]
fn go_receivers_and_types_in_signatures_are_understood() {
    let text = "type T struct {\n\ta int\n}\nfunc (t *T) Method(a interface{}, b struct{}) interface{} {\n\ts := `}`\n\tif a {\n\t}\n\treturn func() {}\n}\nfunc main() {\n}\n";
    is_longest(Language::Go, text, "Method", 4, 6);
    assert_eq!(read(Language::Go, text).functions, 2);
}

#[test]
fn c_like_functions_are_names_with_parameters_and_a_block() {
    for (text, name) in [
        ("static int\nadd(int a, int b)\n{\n}\n", "add"),
        ("Foo::Foo(int a) : a_(a), b_(f(a)) {\n}\n", "Foo"),
        ("void run() const noexcept(true) {\n}\n", "run"),
        ("__attribute__((cold)) void slow(void) {\n}\n", "slow"),
        ("class A {\n  void m() throws E {\n  }\n}\n", "m"),
    ] {
        let found = longest(Language::C, text).map(|(found, _, _)| found);
        assert_eq!(found.as_deref(), Some(name), "in {text}");
    }
}

#[test]
fn c_like_control_and_macros_in_a_body_are_part_of_it() {
    let text = "int f(int a) {\n  if (a) {\n  } else if (b) {\n  }\n  list_for_each(x, y) {\n  }\n  char c = '}';\n  return 1'000;\n}\n";
    assert_eq!(read(Language::C, text).functions, 1);
    is_longest(Language::C, text, "f", 1, 9);
}

#[test]
fn lines_of_the_preprocessor_open_no_blocks() {
    let text = "#define LOOP(x) do { \\\n  x\n#if defined(A)\nint f(void) {\n#endif\n}\n";
    assert_eq!(read(Language::C, text).functions, 1);
    is_longest(Language::C, text, "f", 4, 3);
}

#[test]
fn shells_and_unknown_languages_use_the_fallback() {
    let shell = "greet() {\n  echo \"} $# ${1}\" # }\n}\nfunction bye {\n  :\n  :\n}\n";
    assert_eq!(read(Language::Shell, shell).functions, 2);
    is_longest(Language::Shell, shell, "bye", 4, 4);
    let ruby = "class A\n  def m(a)\n    a\n  end\nend\n";
    is_longest(Language::Other, ruby, "m", 2, 3);
    let lua = "local function f(a)\n  return a\nend\n";
    is_longest(Language::Other, lua, "f", 1, 3);
}

#[test]
fn of_functions_of_one_length_the_first_is_named() {
    is_longest(Language::Rust, "fn a() {\n}\nfn b() {\n}\n", "a", 1, 2);
}

#[test]
fn data_and_prose_have_no_functions() {
    assert_eq!(longest(Language::Data, "{\"fn a()\": {\n}}\n"), None);
    assert_eq!(longest(Language::Prose, "It's fn a() {\n}\n"), None);
}

#[test]
fn malformed_text_ends_at_its_end() {
    for text in [
        "\"", "'", "r#\"", "/*", "`${", "}}}", "{{{", "fn", "fn a(", "\\", "'\\", "\u{1}", "é'é",
        "br", "/",
    ] {
        for language in ALL {
            let lines = read(language, text).lines.total;
            assert_eq!(lines, 1, "{language:?} {text}");
        }
    }
    let not_unicode = [0xFF, b'\'', 0xF0, b'\n', b'"'];
    for language in ALL {
        assert_eq!(analyse(language, &not_unicode).lines.total, 2);
    }
}

#[test]
fn languages_are_known_by_name() {
    for (path, language) in [
        ("src/main.rs", Language::Rust),
        ("A.PY", Language::Python),
        ("x/y.d.ts", Language::Script),
        ("a.go", Language::Go),
        ("a.hpp", Language::C),
        ("LICENSE", Language::Prose),
        (".gitignore", Language::Data),
        ("run", Language::Other),
    ] {
        assert_eq!(Language::of(path), language, "{path}");
    }
}

#[test]
fn one_text_in_two_languages_has_two_identities() {
    let python = identity(Language::Python, b"x");
    assert_ne!(python, identity(Language::Prose, b"x"));
    assert_eq!(python, identity(Language::Python, b"x"));
}

const ALL: [Language; 10] = [
    Language::Rust,
    Language::Python,
    Language::Script,
    Language::Go,
    Language::C,
    Language::Keyword,
    Language::Shell,
    Language::Other,
    Language::Data,
    Language::Prose,
];
