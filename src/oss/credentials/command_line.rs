//! Splits the command line of an external program, as the shell of the system does.
//!
//! Source for Windows: Microsoft's documentation, "Parsing C command-line arguments".

/// The rules for splitting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rules {
    /// A POSIX shell: a backslash escapes the next character.
    Posix,
    /// Windows: a backslash is part of a path, except in front of a double quote.
    Windows,
}

impl Rules {
    pub(super) const OF_THIS_SYSTEM: Self = if cfg!(windows) { Self::Windows } else { Self::Posix };
}

/// The program and its arguments; none if a quote is not closed.
pub(super) fn split(command_line: &str, rules: Rules) -> Option<Vec<String>> {
    match rules {
        Rules::Posix => shlex::split(command_line),
        Rules::Windows => split_windows(command_line),
    }
}

fn split_windows(command_line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut is_quoted = false;
    let mut rest = command_line.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            ' ' | '\t' | '\r' | '\n' if !is_quoted => words.extend(word.take()),
            '"' => {
                // A doubled quote within quotes is a quote.
                if is_quoted && rest.next_if_eq(&'"').is_some() {
                    word.get_or_insert_default().push('"');
                } else {
                    is_quoted = !is_quoted;
                    word.get_or_insert_default();
                }
            }
            '\\' => {
                let mut count = 1;
                while rest.next_if_eq(&'\\').is_some() {
                    count += 1;
                }
                let word = word.get_or_insert_default();
                let is_before_quote = rest.peek() == Some(&'"');
                // In front of a quote two backslashes are one, and a single one makes the quote a character.
                let kept = if is_before_quote { count / 2 } else { count };
                word.extend(std::iter::repeat_n('\\', kept));
                if is_before_quote && count % 2 == 1 {
                    word.extend(rest.next());
                }
            }
            character => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    (!is_quoted).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backslashes_survive_on_windows() {
        for (line, expected) in [
            (r"C:\tools\login.exe --profile ci", &[r"C:\tools\login.exe", "--profile", "ci"][..]),
            (
                r#""C:\Program Files\login.exe" "a b\" c"#,
                // The backslash quotes the quote, which therefore is not closed.
                &[],
            ),
            (
                r#""C:\Program Files\login.exe" "a b\\" c"#,
                &[r"C:\Program Files\login.exe", r"a b\", "c"],
            ),
            (
                r#"x say \"hi\" "it is ""so""" "" end"#,
                &["x", "say", "\"hi\"", "it is \"so\"", "", "end"],
            ),
            (r"x \\server\share 'one two'", &["x", r"\\server\share", "'one", "two'"]),
            (r#"x a\\\"b"#, &["x", r#"a\"b"#]),
            ("  \t ", &[]),
        ] {
            let words = split(line, Rules::Windows);
            assert_eq!(words.unwrap_or_default(), expected, "{line}");
        }
        assert_eq!(split("x \"open", Rules::Windows), None);
    }

    #[test]
    fn backslashes_escape_on_other_systems() {
        let words = split(r#"login --path a\ b "c d" 'e\f'"#, Rules::Posix).unwrap();
        assert_eq!(words, ["login", "--path", "a b", "c d", r"e\f"]);
        assert_eq!(split("x 'open", Rules::Posix), None);
    }
}
