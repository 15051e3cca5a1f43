//! Names taken apart into words.

/// The words of a name, in lower case and without accents: `snake_case`,
/// `camelCase`, `PascalCase`, `HTTPHeader`, `kebab-case`, `line2`.
pub(super) fn split(name: &str) -> Vec<String> {
    let chars: Vec<char> = name.chars().collect();
    let mut words = vec![String::new()];
    for (i, &c) in chars.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|i| chars.get(i));
        let after = chars.get(i + 1);
        let starts = match before {
            Some(b) if c.is_uppercase() => {
                b.is_lowercase() || b.is_numeric() || after.is_some_and(|a| a.is_lowercase())
            }
            Some(b) => c.is_numeric() != b.is_numeric(),
            None => false,
        };
        if !c.is_alphanumeric() || starts {
            words.push(String::new());
        }
        if let (true, Some(word)) = (c.is_alphanumeric(), words.last_mut()) {
            word.extend(c.to_lowercase().map(plain));
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// A letter without its accent, as far as German, French and Spanish need it.
fn plain(c: char) -> char {
    match c {
        'à' | 'á' | 'â' | 'ä' => 'a',
        'ç' => 'c',
        'è' | 'é' | 'ê' | 'ë' => 'e',
        'í' | 'î' | 'ï' => 'i',
        'ñ' => 'n',
        'ó' | 'ô' | 'ö' => 'o',
        'ù' | 'ú' | 'û' | 'ü' => 'u',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_come_apart_at_their_seams() {
        for (name, want) in [
            ("first_name", "first name"),
            ("FirstName", "first name"),
            ("billingPostalCode", "billing postal code"),
            ("IPAddress", "ip address"),
            ("clientIP", "client ip"),
            ("e-mail", "e mail"),
            ("ADDRESS_LINE2", "address line 2"),
            ("téléphone", "telephone"),
            ("__x__", "x"),
            ("", ""),
        ] {
            assert_eq!(super::split(name).join(" "), want, "{name}");
        }
    }
}
