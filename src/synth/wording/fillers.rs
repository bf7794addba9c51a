//! What people say around a request: greetings, excuses, thanks, and who passes a message on.
//!
//! Nothing here changes what is asked: no numbers, days, names or amounts, no haste that a tool could be told of, and
//! nothing from a domain. `{actor}` and `{other}` stand for names.

/// Greetings before a message.
pub(super) const GREETINGS: &[&str] = &["Hi!", "Hello!", "Hey!", "Hi there!", "Hello there!", "Hi again!"];

/// Details that don't matter.
pub(super) const DETAILS: &[&str] = &[
    "I'm on the train and the connection is bad, so I'll keep it short.",
    "My coffee has gone cold while I was looking for this myself.",
    "The neighbors are drilling again, so forgive me if this is a bit scattered.",
    "I meant to do this myself, but I can't find my glasses.",
    "It's pouring out there and I'm stuck inside, so I'm catching up on things.",
    "I've been putting this off for far too long.",
    "My desk is a mess and so is my head.",
    "The cat is sitting on my keyboard, so I'm typing around it.",
    "I've just come back from a walk and finally have my hands free.",
    "My sister keeps telling me to get this sorted, so here I am.",
    "I'm in the waiting room at the dentist's and have some time to kill.",
    "I promised myself to clear my list before I put the kettle on.",
    "I'm between meetings, so I can't do this myself.",
    "I tried to do this on my phone and gave up.",
    "My laptop is being repaired, so I have to ask you.",
    "I'm supposed to be packing, but this won't leave my head.",
    "Somebody is mowing the lawn under my window, and I can hardly think.",
    "I've got the kids with me, so excuse any odd words.",
    "I'm sitting on a bench in the sun and sorting my life out.",
    "I've lost track of it all a little, to be honest.",
    "The power was out here for a while, so I'm behind with everything.",
    "I'm trying to be an organized person for once.",
];

/// Said before a request.
pub(super) const REQUEST_OPENERS: &[&str] = &[
    "I could use your help.",
    "Could you help me with something?",
    "I need a hand with something.",
    "There's something I'd like you to take care of.",
    "Can you take care of something for me?",
];

/// Said before a question.
pub(super) const QUESTION_OPENERS: &[&str] = &[
    "I have a question.",
    "Quick question.",
    "I'm hoping you can look something up for me.",
    "I'm after a piece of information.",
    "I can't find this anywhere.",
];

/// Thanks and the like, after anything.
pub(super) const CLOSERS: &[&str] = &[
    "Thanks!",
    "Thank you!",
    "Thanks in advance.",
    "Many thanks!",
    "Thanks a lot.",
    "Much appreciated.",
    "That's all, thank you.",
    "No rush.",
    "No rush, and thanks.",
    "You're a great help.",
    "That would help me a lot.",
    "I appreciate it.",
    "Thank you so much!",
    "That should be everything.",
    "Thanks for your help.",
    "That's it from me.",
    "Cheers!",
    "You'd be doing me a big favor.",
];

/// After requests where nothing was asked.
pub(super) const QUIET_CLOSERS: &[&str] =
    &["A short confirmation is enough.", "No need for a long reply.", "You don't have to write back at length."];

/// Before a message that is typed in a hurry.
pub(super) const HURRIED_OPENERS: &[&str] = &[
    "hey,",
    "hi,",
    "hey, in a rush.",
    "hi its me.",
    "sry, typing with my thumbs.",
    "hey there,",
    "about to get on a bus,",
];

/// After a message that is typed in a hurry.
pub(super) const HURRIED_CLOSERS: &[&str] =
    &["thx", "ty!", "thanks!!", "thx a lot", "sry for the typos", "gotta run, thx", "ok thats all", "cheers"];

/// Before a request that somebody is sorry for.
pub(super) const APOLOGIES: &[&str] = &[
    "Sorry for the late note.",
    "Sorry to bother you with this.",
    "I'm really sorry, I know you have enough to do.",
    "Apologies, I should have thought of this earlier.",
    "I feel bad for asking.",
    "Sorry, it's me again.",
    "Please excuse me for troubling you.",
];

/// After a request that somebody is sorry for.
pub(super) const APOLOGETIC_CLOSERS: &[&str] = &[
    "Sorry again, and thank you!",
    "Thank you for being so patient with me.",
    "Again, my apologies.",
    "I hope that's all right.",
    "I promise to be better organized from now on.",
];

/// Before work is handed out.
pub(super) const BRIEFINGS: &[&str] = &[
    "Please take care of this for me.",
    "I won't get to this myself, so it's yours.",
    "I'm tied up in meetings, so please handle this.",
    "This has been on my desk long enough.",
    "Something for your list.",
    "I'm handing this over to you.",
];

/// After work is handed out.
pub(super) const BRIEFING_CLOSERS: &[&str] = &[
    "Thank you.",
    "Thanks, I'm counting on you.",
    "I trust you with this.",
    "Good, thank you.",
    "That's all for now.",
];

/// Before spoken words.
pub(super) const SPOKEN_OPENERS: &[&str] =
    &["Right.", "Okay.", "Hello, can you hear me?", "Okay, listen.", "Um, hello.", "Right, where was I."];

/// After spoken words.
pub(super) const SPOKEN_CLOSERS: &[&str] = &[
    "Okay, that's it.",
    "Right, thank you.",
    "That was all, bye.",
    "Thanks, over and out.",
    "Good, that's everything.",
];

/// Before a list of requests.
pub(super) const LIST_OPENERS: &[&str] = &[
    "Here's what I need:",
    "A few things for you:",
    "Could you work through this list, from top to bottom?",
    "My list for you:",
    "Please do the following:",
    "To do, in this order:",
    "Left on my list, and now on yours:",
];

/// Before a list of questions.
pub(super) const QUESTION_LIST_OPENERS: &[&str] = &[
    "What I need to know:",
    "Here's what I'd like to know:",
    "Some questions for you, I need to know:",
    "Please find out:",
];

/// Salutations of a letter.
pub(super) const SALUTATIONS: &[&str] =
    &["Dear assistant,", "Good day,", "Dear team,", "Dear sir or madam,", "To whom it concerns,"];

/// How a letter ends, before the name.
pub(super) const SIGN_OFFS: &[&str] = &[
    "Kind regards,",
    "Best regards,",
    "Yours sincerely,",
    "With kind regards,",
    "With many thanks,",
    "Thank you for your attention to this,",
];

/// Somebody passes on what the actor says: the message follows in quotes.
pub(super) const RELAYED: &[&str] = &[
    "Hi, {other} here. {actor} is driving and asked me to pass this on:",
    "This is {other}, typing for {actor}, whose hands are full. Word for word:",
    "Message from {actor}, who can't type right now and has asked me to send it:",
    "{other} writing on behalf of {actor}. I'm to send you this:",
    "{actor} rang me up and dictated the following for you:",
    "{actor}'s phone has died, so this comes from mine. I'm {other}, and {actor} says:",
];

/// Headers of a voicemail.
pub(super) const VOICEMAILS: &[&str] = &[
    "Voicemail from {actor}, written down by {other}:",
    "Transcript of a voicemail that {actor} left for you:",
    "{actor} left a message on {other}'s answering machine, meant for you. It goes:",
];

/// Headers of a forwarded message.
pub(super) const FORWARDED: &[&str] = &[
    "---------- Forwarded message ----------\nFrom: {actor}\nForwarded by: {other}",
    "Fwd: from {actor} (sent to {other} by mistake, it was meant for you)",
    "FYI, {other} forwarded this message of {actor}'s, which is for you:",
    "Forwarded by {other}, original from {actor}:",
];

/// Headers of a note.
pub(super) const NOTES: &[&str] = &[
    "Note from {actor}:",
    "Request from {actor}:",
    "Subject: something to take care of",
    "Subject: a request\nFrom: {actor}",
    "New message from {actor}",
];

/// Every list, for what holds for all of them.
#[cfg(test)]
pub(super) const ALL: &[&[&str]] = &[
    GREETINGS,
    DETAILS,
    REQUEST_OPENERS,
    QUESTION_OPENERS,
    CLOSERS,
    QUIET_CLOSERS,
    HURRIED_OPENERS,
    HURRIED_CLOSERS,
    APOLOGIES,
    APOLOGETIC_CLOSERS,
    BRIEFINGS,
    BRIEFING_CLOSERS,
    SPOKEN_OPENERS,
    SPOKEN_CLOSERS,
    LIST_OPENERS,
    QUESTION_LIST_OPENERS,
    SALUTATIONS,
    SIGN_OFFS,
    RELAYED,
    VOICEMAILS,
    FORWARDED,
    NOTES,
];
