//! Words of texts that are put together from names.

pub(crate) use super::wording::nouns::{article, humanise, plural, sentence_case as capitalised};

/// Replaces whole `snake_case` words of a text.
pub(crate) fn replace_words(text: &str, replacement: impl Fn(&str) -> Option<String>) -> String {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_word) {
        out.push_str(&rest[..start]);
        let word = &rest[start..];
        let end = word.find(|letter| !is_word(letter)).unwrap_or(word.len());
        match replacement(&word[..end]) {
            Some(other) => out.push_str(&other),
            None => out.push_str(&word[..end]),
        }
        rest = &word[end..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_are_replaced() {
        let replaced = replace_words("see list_orders; not list_orders_x", |word| {
            (word == "list_orders").then(|| "find_orders".to_owned())
        });
        assert_eq!(replaced, "see find_orders; not list_orders_x");
    }
}
