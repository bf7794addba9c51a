//! The registers of an instruction: who says it, how it is laid out, and what stands around it.

use super::body::{items, paragraphs};
use super::voices::{ADDED, FORMAL, FRIENDLY, HURRIED, MANAGER, SORRY, SPOKEN, TERSE, Voice};
use super::{Speaker, Story, fillers};
use crate::synth::rng::Rng;

/// A register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frame {
    /// Nothing but what is wanted.
    Terse,
    /// Friendly, with thanks.
    Friendly,
    /// Friendly, with a detail that doesn't matter.
    Chatty,
    /// A letter.
    Formal,
    /// Courteous, without the trimmings of a letter.
    Courteous,
    /// A list with letters.
    Lettered,
    /// A list with bullets.
    Bulleted,
    /// A list with boxes to tick.
    Checklist,
    /// Typed in a hurry.
    Hurried,
    /// Several short messages.
    Lines,
    /// Somebody types for the actor.
    Relayed,
    /// A voicemail, written down.
    Voicemail,
    /// A forwarded message.
    Forwarded,
    /// Somebody who is sorry to ask.
    Apologetic,
    /// A manager to an assistant.
    Manager,
    /// Dictated.
    Spoken,
    /// A note with a header.
    Note,
    /// Friendly, one paragraph for each part.
    Paragraphs,
}

/// Registers for anything that isn't already in somebody's own words, the common ones more than once.
const FRAMES: &[Frame] = &[
    Frame::Terse,
    Frame::Terse,
    Frame::Friendly,
    Frame::Friendly,
    Frame::Chatty,
    Frame::Chatty,
    Frame::Formal,
    Frame::Courteous,
    Frame::Lettered,
    Frame::Bulleted,
    Frame::Checklist,
    Frame::Hurried,
    Frame::Hurried,
    Frame::Lines,
    Frame::Relayed,
    Frame::Voicemail,
    Frame::Forwarded,
    Frame::Apologetic,
    Frame::Manager,
    Frame::Manager,
    Frame::Spoken,
    Frame::Note,
    Frame::Paragraphs,
];

/// Registers for a request in somebody's own words: mostly nothing is put around it.
const OWN_WORDS_FRAMES: &[Frame] = &[
    Frame::Terse,
    Frame::Terse,
    Frame::Terse,
    Frame::Friendly,
    Frame::Paragraphs,
    Frame::Relayed,
    Frame::Voicemail,
    Frame::Forwarded,
    Frame::Bulleted,
];

impl Frame {
    /// Whether it has items.
    fn is_list(self) -> bool {
        matches!(self, Self::Lettered | Self::Bulleted | Self::Checklist)
    }

    /// Whether somebody else passes the message on.
    fn names_other(self) -> bool {
        matches!(self, Self::Relayed | Self::Voicemail | Self::Forwarded)
    }

    /// The sentences it is said in.
    fn voice(self) -> &'static Voice {
        match self {
            Self::Terse | Self::Note | Self::Lettered | Self::Bulleted | Self::Checklist => &TERSE,
            Self::Friendly | Self::Chatty | Self::Paragraphs | Self::Relayed | Self::Forwarded => &FRIENDLY,
            Self::Formal | Self::Courteous => &FORMAL,
            Self::Hurried | Self::Lines => &HURRIED,
            Self::Voicemail | Self::Spoken => &SPOKEN,
            Self::Apologetic => &SORRY,
            Self::Manager => &MANAGER,
        }
    }
}

/// A story in one of the registers that can hold it.
pub(super) fn render(story: &Story<'_>, speaker: &Speaker, rng: &mut Rng) -> String {
    let list = items(story, rng);
    let named = !speaker.actor_name.trim().is_empty()
        && !speaker.other_name.trim().is_empty()
        && given_name(&speaker.actor_name) != given_name(&speaker.other_name);
    let frames = if story.said.is_some() { OWN_WORDS_FRAMES } else { FRAMES };
    let possible: Vec<Frame> = frames
        .iter()
        .copied()
        .filter(|frame| !(frame.is_list() && list.len() < 2 || frame.names_other() && !named))
        .collect();
    let frame = rng.pick(&possible).copied().unwrap_or(Frame::Terse);
    if frame.is_list() {
        return listed(frame, story, &list, rng);
    }
    let voice = if story.said.is_some() { &ADDED } else { frame.voice() };
    let sentences = paragraphs(story, voice, rng);
    match frame {
        Frame::Formal => letter(&sentences, speaker, rng),
        Frame::Lines => lines(&sentences, rng),
        Frame::Relayed => quoted(fillers::RELAYED, &sentences.join(" "), speaker, rng),
        Frame::Voicemail => {
            let spoken = if story.said.is_some() { sentences.join(" ") } else { spoken(&sentences, rng) };
            quoted(fillers::VOICEMAILS, &spoken, speaker, rng)
        }
        Frame::Forwarded => {
            let message = around(fillers::GREETINGS, &sentences, &closers(story), 0.5, rng);
            let message = if story.said.is_some() { sentences.join(" ") } else { message };
            format!("{}\n\n{message}", named_in(fillers::FORWARDED, speaker, rng))
        }
        Frame::Note => format!("{}\n\n{}", named_in(fillers::NOTES, speaker, rng), sentences.join(" ")),
        Frame::Spoken => spoken(&sentences, rng),
        Frame::Paragraphs => sentences.join("\n\n"),
        _ => prose(frame, story, &sentences, rng),
    }
}

/// One run of sentences with words before and after.
fn prose(frame: Frame, story: &Story<'_>, sentences: &[String], rng: &mut Rng) -> String {
    let closers = closers(story);
    let openers = if story.begins_with_act() { fillers::REQUEST_OPENERS } else { fillers::QUESTION_OPENERS };
    match frame {
        Frame::Friendly if story.said.is_some() => around(&[], sentences, &closers, 1.0, rng),
        Frame::Friendly if rng.chance(0.3) => around(openers, sentences, &closers, 0.7, rng),
        Frame::Friendly => around(fillers::GREETINGS, sentences, &closers, 0.7, rng),
        Frame::Chatty => {
            let detail = picked(fillers::DETAILS, rng);
            let lead = if rng.chance(0.5) { format!("{} {detail}", picked(fillers::GREETINGS, rng)) } else { detail };
            let text = around(&[], sentences, &closers, 0.6, rng);
            format!("{lead} {text}")
        }
        Frame::Courteous => around(&[], sentences, &["Thank you.", "Thank you very much.", "Many thanks."], 0.5, rng),
        Frame::Hurried => hurried(sentences, rng),
        Frame::Apologetic => around(fillers::APOLOGIES, sentences, fillers::APOLOGETIC_CLOSERS, 0.6, rng),
        Frame::Manager if story.has_acts() && rng.chance(0.6) => {
            around(fillers::BRIEFINGS, sentences, fillers::BRIEFING_CLOSERS, 0.5, rng)
        }
        Frame::Manager => around(&[], sentences, fillers::BRIEFING_CLOSERS, 0.5, rng),
        _ => sentences.join(" "),
    }
}

/// What may be said at the end of a story.
fn closers(story: &Story<'_>) -> Vec<&'static str> {
    let quiet: &[&str] = if story.answer_is_asked { &[] } else { fillers::QUIET_CLOSERS };
    fillers::CLOSERS.iter().chain(quiet).copied().collect()
}

/// Sentences with an opener before them, where there are any, and often a closer behind.
fn around(openers: &[&str], sentences: &[String], closers: &[&str], closing: f64, rng: &mut Rng) -> String {
    let opener = rng.pick(openers).copied();
    let closer = rng.pick(closers).copied().filter(|_| rng.chance(closing));
    let body = sentences.join(" ");
    [opener, Some(body.as_str()), closer].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// Sentences typed in a hurry.
fn hurried(sentences: &[String], rng: &mut Rng) -> String {
    let body = sentences.join(" ");
    let opener = if rng.chance(0.6) { format!("{} ", picked(fillers::HURRIED_OPENERS, rng)) } else { String::new() };
    let closer = if rng.chance(0.6) { format!(" {}", picked(fillers::HURRIED_CLOSERS, rng)) } else { String::new() };
    format!("{opener}{body}{closer}")
}

/// Sentences as messages of their own.
fn lines(sentences: &[String], rng: &mut Rng) -> String {
    let mut lines = vec![picked(&["hey", "hi", "hi!", "hello", "you there?"], rng)];
    lines.extend(sentences.iter().cloned());
    if rng.chance(0.5) {
        lines.push(picked(fillers::HURRIED_CLOSERS, rng));
    }
    lines.join("\n")
}

/// Sentences as they are spoken.
fn spoken(sentences: &[String], rng: &mut Rng) -> String {
    around(fillers::SPOKEN_OPENERS, sentences, fillers::SPOKEN_CLOSERS, 0.7, rng)
}

/// A letter with salutation and signature.
fn letter(sentences: &[String], speaker: &Speaker, rng: &mut Rng) -> String {
    let salutation = picked(fillers::SALUTATIONS, rng);
    let sign_off = picked(fillers::SIGN_OFFS, rng);
    let between = if rng.chance(0.5) { "\n\n" } else { " " };
    format!("{salutation}\n\n{}\n\n{sign_off}\n{}", sentences.join(between), speaker.actor_name)
}

/// A message in quotes; set apart where it has quotes of its own.
fn quoted(headers: &[&'static str], message: &str, speaker: &Speaker, rng: &mut Rng) -> String {
    let header = named_in(headers, speaker, rng);
    if message.contains(['"', '“', '\n']) {
        return format!("{header}\n\n> {}", message.replace('\n', "\n> "));
    }
    let between = if rng.chance(0.5) { " " } else { "\n\n" };
    format!("{header}{between}\"{message}\"")
}

/// A list with a line before it.
fn listed(frame: Frame, story: &Story<'_>, list: &[String], rng: &mut Rng) -> String {
    let opener = match story.said {
        Some(said) => format!("{said}\n\n{}", picked(&["Apart from that:", "And also, separately:", "Besides:"], rng)),
        None if story.has_acts() => picked(fillers::LIST_OPENERS, rng),
        None => picked(fillers::QUESTION_LIST_OPENERS, rng),
    };
    // Letters rather than numbers, which an answer could then repeat; no dash that could be a minus.
    let bullet = picked(&["•", "*"], rng);
    let marked = list.iter().zip('a'..).map(|(item, letter)| match frame {
        Frame::Lettered => format!("{letter}) {item}"),
        Frame::Checklist => format!("[ ] {item}"),
        _ => format!("{bullet} {item}"),
    });
    let mut lines = vec![opener];
    lines.extend(marked);
    if story.said.is_none() && rng.chance(0.4) {
        lines.push(picked(&closers(story), rng));
    }
    lines.join("\n")
}

/// A text of the list.
fn picked(list: &[&str], rng: &mut Rng) -> String {
    rng.pick(list).copied().unwrap_or_default().to_owned()
}

/// A text of the list with names in it.
fn named_in(list: &[&'static str], speaker: &Speaker, rng: &mut Rng) -> String {
    picked(list, rng)
        .replace("{actor}", given_name(&speaker.actor_name))
        .replace("{other}", given_name(&speaker.other_name))
}

/// What people call somebody: the first of several names, unless it is a title.
fn given_name(name: &str) -> &str {
    let first = name.split_whitespace().next().unwrap_or(name);
    if first.ends_with('.') || first.chars().count() < 2 { name } else { first }
}
