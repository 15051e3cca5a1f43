//! Reads the SQL that a database keeps of tables, indexes, triggers and views, just
//! far enough to see which names a part of it uses.

use crate::quote::Dialect;

/// A word of SQL: an identifier or keyword as it is meant (unquoted), or a
/// single other character. Literals and comments are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// An identifier or a keyword, in lower case; `true` when it was quoted.
    Word(String, bool),
    /// Anything else.
    Sign(char),
}

impl Token {
    /// An unquoted `word`.
    fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(w, false) if w == word)
    }
}

/// Splits SQL into tokens, as the dialect quotes.
pub(crate) fn tokens(dialect: Dialect, sql: &str) -> Vec<Token> {
    let backslash = dialect == Dialect::Mysql;
    let mut out = Vec::new();
    let mut chars = sql.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                quoted(&mut chars, '\'', backslash);
            }
            '"' | '`' => out.push(Token::Word(
                quoted(&mut chars, c, false).to_lowercase(),
                true,
            )),
            '[' if dialect == Dialect::Sqlite => {
                let name: String = chars.by_ref().take_while(|c| *c != ']').collect();
                out.push(Token::Word(name.to_lowercase(), true));
            }
            '-' if chars.peek() == Some(&'-') => {
                chars.by_ref().take_while(|c| *c != '\n').for_each(drop);
            }
            '/' if chars.peek() == Some(&'*') => {
                chars.next();
                let mut before = ' ';
                for c in chars.by_ref() {
                    if before == '*' && c == '/' {
                        break;
                    }
                    before = c;
                }
            }
            c if c.is_alphanumeric() || c == '_' || !c.is_ascii() => {
                let mut word = c.to_string();
                while let Some(c) = chars
                    .next_if(|c| c.is_alphanumeric() || matches!(c, '_' | '$') || !c.is_ascii())
                {
                    word.push(c);
                }
                out.push(Token::Word(word.to_lowercase(), false));
            }
            c if c.is_whitespace() => {}
            c => out.push(Token::Sign(c)),
        }
    }
    out
}

/// The rest of a quoted word; a doubled quote stands for one, and a `backslash` has the
/// next character be what it is.
fn quoted(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    quote: char,
    backslash: bool,
) -> String {
    let mut word = String::new();
    while let Some(c) = chars.next() {
        if c == '\\' && backslash {
            word.extend(chars.next());
            continue;
        }
        if c == quote && chars.next_if_eq(&quote).is_none() {
            break;
        }
        word.push(c);
    }
    word
}

/// Whether any token is the name (case aside, as SQLite compares names).
pub(crate) fn mentions(tokens: &[Token], name: &str) -> bool {
    let name = name.to_lowercase();
    tokens
        .iter()
        .any(|t| matches!(t, Token::Word(w, _) if *w == name))
}

/// How often the name stands for its value: anywhere but in `name IS [NOT] NULL`, of which
/// a token in the value's place changes nothing. What is not surely such a test counts, and
/// so does a whole row (`t.*`).
pub(crate) fn uses_of_value(tokens: &[Token], name: &str) -> usize {
    let name = name.to_lowercase();
    let is_name = |t: &Token| matches!(t, Token::Word(w, _) if *w == name);
    let named = tokens.iter().enumerate().filter(|(_, t)| is_name(t));
    let rows = tokens.windows(2);
    let rows = rows.filter(|pair| *pair == [Token::Sign('.'), Token::Sign('*')]);
    named.filter(|(at, _)| !is_null_test(tokens, *at)).count() + rows.count()
}

/// Whether the column named at `at` is all that is asked whether it is NULL.
fn is_null_test(tokens: &[Token], at: usize) -> bool {
    let any = |token: &Token, words: &[&str]| words.iter().any(|word| token.is(word));
    let mut first = at; // of a qualified name
    while first >= 2 && tokens[first - 1] == Token::Sign('.') {
        first -= 2;
    }
    let alone = first.checked_sub(1).is_none_or(|before| {
        matches!(tokens[before], Token::Sign('(' | ','))
            || any(&tokens[before], &["and", "or", "not", "when", "where"])
    });
    let after = &tokens[at + 1..];
    let rest = match after {
        [is, not, null, rest @ ..] if is.is("is") && not.is("not") && null.is("null") => rest,
        [is, null, rest @ ..] if is.is("is") && null.is("null") => rest,
        [test, rest @ ..] if any(test, &["isnull", "notnull"]) => rest,
        _ => return false,
    };
    // `x BETWEEN y AND name IS NULL` asks of what it compares.
    let between = tokens[..first].iter().any(|t| t.is("between"));
    let ends = rest.first().is_none_or(|next| {
        matches!(next, Token::Sign(')' | ',')) || any(next, &["and", "or", "then"])
    });
    alone && ends && !between
}

/// What stands in parentheses after each of the unquoted keywords: `CHECK (…)`,
/// `AS (…)` of a `CREATE TABLE`.
pub(crate) fn clauses(tokens: &[Token], keyword: &str) -> Vec<Vec<Token>> {
    let mut out = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        if !token.is(keyword) || tokens.get(i + 1) != Some(&Token::Sign('(')) {
            continue;
        }
        let mut depth = 0_usize;
        let mut clause = Vec::new();
        for token in &tokens[i + 1..] {
            match token {
                Token::Sign('(') => depth += 1,
                Token::Sign(')') => depth -= 1,
                _ => {}
            }
            clause.push(token.clone());
            if depth == 0 {
                break;
            }
        }
        out.push(clause);
    }
    out
}

/// Whether an index uses the column's value other than as one of its own columns
/// (`plain`): in an expression, or in its WHERE.
pub(crate) fn is_computed(dialect: Dialect, index: &str, column: &str, plain: bool) -> bool {
    let words = tokens(dialect, index);
    let open = words.iter().position(|t| *t == Token::Sign('('));
    let body = &words[open.unwrap_or(words.len())..];
    let end = body.iter().position(|t| t.is("where"));
    let (keys, condition) = body.split_at(end.unwrap_or(body.len()));
    uses_of_value(keys, column) > usize::from(plain) || uses_of_value(condition, column) > 0
}

/// Whether a trigger's definition fires when `column` is updated.
pub(crate) fn fires_on_update(tokens: &[Token], column: &str) -> bool {
    let Some(on) = tokens.iter().position(|t| t.is("on")) else {
        return true;
    };
    let head = &tokens[..on];
    let Some(update) = head.iter().rposition(|t| t.is("update")) else {
        return false;
    };
    match head.get(update + 1) {
        Some(of) if of.is("of") => mentions(&head[update + 2..], column),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_literals_and_quotes_are_understood() {
        let t = tokens(
            Dialect::Sqlite,
            "SELECT 'a secret''s name', \"x\"\"y\" -- ghost\n, [odd name] /* ghost */ FROM `t`",
        );
        assert!(!mentions(&t, "ghost") && !mentions(&t, "secret"));
        assert!(mentions(&t, "x\"y") && mentions(&t, "Odd Name") && mentions(&t, "T"));
    }

    #[test]
    fn checks_and_generated_columns_are_found() {
        let t = tokens(
            Dialect::Sqlite,
            "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT CHECK (length(a) < (1+2)), b AS (upper(c)), \"check\" TEXT)",
        );
        assert!(clauses(&t, "check").iter().any(|c| mentions(c, "a")));
        assert!(!clauses(&t, "check").iter().any(|c| mentions(c, "c")));
        assert!(clauses(&t, "as").iter().any(|c| mentions(c, "c")));
    }

    #[test]
    fn a_test_for_null_is_no_use_of_the_value() {
        let uses = |sql: &str| uses_of_value(&tokens(Dialect::Postgres, sql), "C");
        for harmless in [
            "CHECK (((c IS NOT NULL) OR (d > 1)))",
            "(\"t\".\"c\" IS NULL AND `d` is null)",
            "(name) WHERE c IS NULL",
            "(c ISNULL OR NOT c NOTNULL)",
            "(CASE WHEN c IS NULL THEN 1 END)",
        ] {
            assert_eq!(uses(harmless), 0, "{harmless}");
        }
        for used in [
            "(c = 'x' OR d IS NULL)",
            "(c IS NOT NULL AND length(c) < 9)",
            "(1 / c IS NULL)",
            "(c IS NULL = d)",
            "(c IS NOT d)",
            "(c IS \"null\")",
            "(a = c IS NULL)",
            "(a BETWEEN b AND c IS NULL)",
            "(c IS NOT NULL AND f(t.*))",
            "(ARRAY[name, c] <> ARRAY[a, b])",
            "((status = ANY (ARRAY['[none]'::text, 'x'::text])) OR (c ~~ '%@%'::text))",
        ] {
            assert_eq!(uses(used), 1, "{used}");
        }
        let mysql = "(`c` is null or (`note` <> 'it\\'s' and `c` <> 'x'))";
        assert_eq!(uses_of_value(&tokens(Dialect::Mysql, mysql), "c"), 1);
    }

    #[test]
    fn an_index_is_computed_of_what_it_uses_beside_its_columns() {
        let computed = |sql: &str, plain| is_computed(Dialect::Sqlite, sql, "c", plain);
        assert!(!computed("CREATE INDEX i ON t (c)", true));
        assert!(!computed(
            "CREATE INDEX i ON t (c) WHERE c IS NOT NULL",
            true
        ));
        assert!(!computed("CREATE INDEX i ON t (a) WHERE c IS NULL", false));
        assert!(computed("CREATE INDEX i ON t (c, lower(c))", true));
        assert!(computed(
            "CREATE INDEX i ON t ('c') WHERE length(c) > 3",
            true
        ));
        assert!(computed("CREATE INDEX i ON t (lower(c))", false));
    }

    #[test]
    fn triggers_of_other_columns_do_not_fire() {
        let fires = |sql: &str| fires_on_update(&tokens(Dialect::Sqlite, sql), "c");
        assert!(fires(
            "CREATE TRIGGER x AFTER UPDATE ON t BEGIN SELECT 1; END"
        ));
        assert!(fires(
            "CREATE TRIGGER x AFTER UPDATE OF a, \"C\" ON t BEGIN SELECT 1; END"
        ));
        assert!(!fires(
            "CREATE TRIGGER x AFTER UPDATE OF a ON t BEGIN SELECT 1; END"
        ));
        assert!(!fires(
            "CREATE TRIGGER x AFTER INSERT ON t BEGIN UPDATE u SET c = 1; END"
        ));
    }
}
