//! Forms of English nouns, for names of tables and generated texts.

/// Endings that don't follow the rules: the singular, then the plural.
const IRREGULAR: &[(&str, &str)] = &[
    ("person", "people"),
    ("salesperson", "salespeople"),
    ("child", "children"),
    ("grandchild", "grandchildren"),
    ("man", "men"),
    ("woman", "women"),
    ("foot", "feet"),
    ("tooth", "teeth"),
    ("mouse", "mice"),
    ("goose", "geese"),
    ("criterion", "criteria"),
    ("curriculum", "curricula"),
    ("quiz", "quizzes"),
    ("shelf", "shelves"),
    ("bookshelf", "bookshelves"),
    ("half", "halves"),
    ("leaf", "leaves"),
    ("knife", "knives"),
    ("life", "lives"),
    ("wife", "wives"),
    ("wolf", "wolves"),
    ("loaf", "loaves"),
    ("thief", "thieves"),
    ("calf", "calves"),
    ("potato", "potatoes"),
    ("tomato", "tomatoes"),
    ("hero", "heroes"),
    ("echo", "echoes"),
    ("veto", "vetoes"),
    ("axe", "axes"),
    ("analysis", "analyses"),
    ("basis", "bases"),
    ("diagnosis", "diagnoses"),
    ("hypothesis", "hypotheses"),
    ("synthesis", "syntheses"),
    ("thesis", "theses"),
    ("crisis", "crises"),
    ("movie", "movies"),
    ("cookie", "cookies"),
    ("pie", "pies"),
    ("tie", "ties"),
    ("calorie", "calories"),
    ("smoothie", "smoothies"),
    ("brownie", "brownies"),
    ("hoodie", "hoodies"),
    ("cache", "caches"),
    ("headache", "headaches"),
    ("quiche", "quiches"),
    ("niche", "niches"),
    ("lens", "lenses"),
    ("gas", "gases"),
    ("alias", "aliases"),
    ("canvas", "canvases"),
    ("atlas", "atlases"),
    ("bias", "biases"),
];

/// Nouns with one form.
const UNCHANGED: &[&str] = &[
    "series",
    "species",
    "equipment",
    "information",
    "feedback",
    "luggage",
    "furniture",
    "staff",
    "news",
    "aircraft",
    "sheep",
    "fish",
    "software",
    "hardware",
    "stock",
    "money",
    "homework",
    "media",
    "data",
    "metadata",
    "headquarters",
];

/// The plural of a noun; of the last word of several, joined by spaces or underscores.
pub(crate) fn plural(noun: &str) -> String {
    let (head, last) = last_word(noun);
    if UNCHANGED.contains(&last) {
        return noun.to_owned();
    }
    if let Some((_, many)) = IRREGULAR.iter().find(|(one, _)| *one == last) {
        return format!("{head}{many}");
    }
    let before_y = last.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'i', 'o', 'u']));
    if let Some(stem) = before_y.filter(|stem| !stem.is_empty()) {
        return format!("{head}{stem}ies");
    }
    let hisses = ["s", "x", "z", "ch", "sh"].iter().any(|ending| last.ends_with(ending));
    format!("{noun}{}", if hisses { "es" } else { "s" })
}

/// `a` or `an`, whichever the noun wants before it.
pub(crate) fn article(noun: &str) -> &'static str {
    const SILENT_H: &[&str] = &["hour", "honest", "honor", "honour", "heir"];
    const SPOKEN_AS_YOU_OR_W: &[&str] =
        &["uni", "use", "usu", "uti", "ubi", "ukulele", "eu", "ewe", "one", "once", "unanim"];
    const UN: &[&str] = &["unin", "unim", "unidentified"];
    let word = noun.split([' ', '_', '-']).next().unwrap_or_default();
    let spelled = word.len() <= 4 && word.len() > 1 && word.chars().all(|letter| letter.is_ascii_uppercase());
    // Most abbreviations are said letter by letter: an SMS, an FAQ, a PDF.
    if spelled && !["SIM", "RAM", "LAN", "NATO"].contains(&word) {
        return if word.starts_with(['A', 'E', 'F', 'H', 'I', 'L', 'M', 'N', 'O', 'R', 'S', 'X']) { "an" } else { "a" };
    }
    let word = word.to_lowercase();
    let begins = |list: &[&str]| list.iter().any(|start| word.starts_with(start));
    let vowel = word.starts_with(['a', 'e', 'i', 'o', 'u', '8']);
    let an = begins(SILENT_H) || begins(UN) || vowel && !begins(SPOKEN_AS_YOU_OR_W);
    if an { "an" } else { "a" }
}

/// Words with spaces between them: `plans changed` for `plans_changed`.
pub(crate) fn humanise(snake_case: &str) -> String {
    snake_case.split('_').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The text with a capital first, unless it begins with a quoted literal, a number or a word that is spelled with
/// capitals of its own (iPhone).
pub(crate) fn sentence_case(text: &str) -> String {
    let first_word = text.split_whitespace().next().unwrap_or_default();
    let mut letters = text.chars();
    match letters.next() {
        Some(first) if first.is_lowercase() && !first_word.chars().any(char::is_uppercase) => {
            first.to_uppercase().collect::<String>() + letters.as_str()
        }
        _ => text.to_owned(),
    }
}

/// What stands before the last word, and that word.
fn last_word(noun: &str) -> (&str, &str) {
    noun.rfind(['_', ' ']).map_or(("", noun), |position| noun.split_at(position + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals_follow_the_spelling() {
        for (one, many) in [
            ("restaurant", "restaurants"),
            ("category", "categories"),
            ("day", "days"),
            ("box", "boxes"),
            ("dish", "dishes"),
            ("branch", "branches"),
            ("address", "addresses"),
            ("status", "statuses"),
            ("bus", "buses"),
            ("course", "courses"),
            ("case", "cases"),
            ("warehouse", "warehouses"),
            ("invoice", "invoices"),
            ("purchase", "purchases"),
            ("movie", "movies"),
            ("order_line", "order_lines"),
            ("support_person", "support_people"),
            ("bookshelf", "bookshelves"),
            ("quiz", "quizzes"),
            ("size", "sizes"),
            ("series", "series"),
            ("analysis", "analyses"),
            ("tax", "taxes"),
            ("photo", "photos"),
            ("delivery", "deliveries"),
            ("survey", "surveys"),
            ("loss", "losses"),
            ("release", "releases"),
            ("pass", "passes"),
            ("match", "matches"),
            ("note", "notes"),
            ("leave", "leaves"),
            ("toothbrush", "toothbrushes"),
            ("bonus", "bonuses"),
            ("shoe", "shoes"),
            ("tariff", "tariffs"),
            ("fee", "fees"),
            ("employee", "employees"),
            ("wishlist_item", "wishlist_items"),
        ] {
            assert_eq!(plural(one), many);
        }
    }

    #[test]
    fn articles_follow_the_sound() {
        for noun in [
            "order",
            "invoice",
            "hour",
            "SMS",
            "FAQ",
            "unpaid bill",
            "uninvited guest",
            "umbrella",
            "MRI",
            "issue",
            "RV",
        ] {
            assert_eq!(article(noun), "an", "{noun}");
        }
        for noun in [
            "booking",
            "user",
            "unit",
            "one-way ticket",
            "European flight",
            "USB stick",
            "PDF",
            "house",
            "utility",
            "SIM card",
            "PIN",
        ] {
            assert_eq!(article(noun), "a", "{noun}");
        }
    }

    #[test]
    fn only_plain_words_get_a_capital() {
        assert_eq!(sentence_case("cancel it"), "Cancel it");
        assert_eq!(sentence_case("\"quoted\" first"), "\"quoted\" first");
        assert_eq!(sentence_case("iPhone case"), "iPhone case");
        assert_eq!(sentence_case("éclairs"), "Éclairs");
        assert_eq!(humanise("plans_changed"), "plans changed");
    }
}
