//! The sentences in which people ask for things: how a request, a question, and what follows them begin.
//!
//! `{}` stands for a clause. No template has a number, a day, or anything else that could be taken for part of the task.

/// How somebody asks, by where in the text the request or the question stands.
#[derive(Debug)]
pub(super) struct Voice {
    /// The text begins with a request.
    pub acts: &'static [&'static str],
    /// A request after another part.
    pub next_acts: &'static [&'static str],
    /// A request after a condition: it must not sound as if it hung on that.
    pub apart_acts: &'static [&'static str],
    /// The text begins with a question.
    pub asks: &'static [&'static str],
    /// A question about the request right before it.
    pub own_asks: &'static [&'static str],
    /// A question after another part.
    pub next_asks: &'static [&'static str],
    /// The last question, after several requests.
    pub end_asks: &'static [&'static str],
    /// A question after a condition.
    pub apart_asks: &'static [&'static str],
    /// What joins a question to the clause before it, after `and`.
    pub tells: &'static [&'static str],
    /// Whether sentences begin with a capital.
    pub capitals: bool,
}

/// As few words as will do.
pub(super) const TERSE: Voice = Voice {
    acts: &["{}.", "Please {}."],
    next_acts: &["Then {}.", "Also {}.", "{}.", "Next, {}.", "After that, {}."],
    apart_acts: &[
        "Either way, {}.",
        "Separately: {}.",
        "In any case, {}.",
        "Unrelated: {}.",
        "Regardless of that, {}.",
    ],
    asks: &["Tell me {}.", "I need to know {}.", "Please look up {}.", "Need to know: {}.", "Find out {}."],
    own_asks: &["Tell me {}.", "Let me know {}.", "Then tell me {}.", "I need to know {}."],
    next_asks: &["Then tell me {}.", "Also tell me {}.", "I also need to know {}.", "Now tell me {}."],
    end_asks: &["At the end, tell me {}.", "When done, tell me {}."],
    apart_asks: &["Either way, tell me {}.", "Separately, tell me {}.", "In any case, I need to know {}."],
    tells: &["tell me"],
    capitals: true,
};

/// At ease, in whole sentences.
pub(super) const FRIENDLY: Voice = Voice {
    acts: &[
        "Please {}.",
        "Could you {}?",
        "Could you please {}?",
        "Can you {}?",
        "I'd like you to {}.",
        "I was hoping you could {}.",
        "It would be great if you could {}.",
        "I need you to {}.",
        "Would you {}?",
    ],
    next_acts: &[
        "Then please {}.",
        "After that, {}.",
        "Then {}.",
        "Next, could you {}?",
        "I'd also like you to {}.",
        "Please also {}.",
        "And then please {}.",
        "Could you also {}?",
    ],
    apart_acts: &[
        "Either way, please {}.",
        "Separately, could you {}?",
        "Apart from that, please {}.",
        "Unrelated to that, please {}.",
        "Whatever comes of that, I'd also like you to {}.",
        "However that goes, please also {}.",
        "Something else, not tied to that: {}.",
    ],
    asks: &[
        "Can you tell me {}?",
        "Please tell me {}.",
        "I'd like to know {}.",
        "Could you check {}?",
        "I'm trying to find out {}.",
        "What I'd like to know is {}.",
        "Could you find out {}?",
        "Please look up {} for me.",
        "I need to know {}.",
        "Could you let me know {}?",
    ],
    own_asks: &[
        "Please tell me {}.",
        "Let me know {}.",
        "I'd also like to know {}.",
        "Could you also tell me {}?",
        "Then tell me {}.",
        "And please let me know {}.",
    ],
    next_asks: &[
        "Then tell me {}.",
        "I'd also like to know {}.",
        "And could you tell me {}?",
        "Please also let me know {}.",
        "I need to know {} as well.",
        "Also, can you tell me {}?",
    ],
    end_asks: &[
        "When that's done, please tell me {}.",
        "At the end, tell me {}.",
        "Finally, let me know {}.",
        "Once everything is done, I'd like to know {}.",
    ],
    apart_asks: &[
        "Either way, please tell me {}.",
        "Separately, I'd like to know {}.",
        "Apart from that, can you tell me {}?",
        "However that goes, also let me know {}.",
    ],
    tells: &["tell me", "let me know"],
    capitals: true,
};

/// As one writes to an office.
pub(super) const FORMAL: Voice = Voice {
    acts: &[
        "I would like to ask you to {}.",
        "I would be grateful if you could {}.",
        "I would like you to {}.",
        "Please {}.",
        "Would you kindly {}?",
        "Please be so kind as to {}.",
        "I am writing to ask you to {}.",
    ],
    next_acts: &[
        "After that, please {}.",
        "Furthermore, I would like you to {}.",
        "In addition, please {}.",
        "Please then {}.",
        "I would also ask you to {}.",
    ],
    apart_acts: &[
        "Independently of the above, please {}.",
        "Irrespective of the outcome, I would also ask you to {}.",
        "In a separate matter, please {}.",
        "In any event, I would like you to {}.",
    ],
    asks: &[
        "I would like to know {}.",
        "Please let me know {}.",
        "I would be grateful if you could tell me {}.",
        "I am writing to ask {}.",
        "Kindly let me know {}.",
    ],
    own_asks: &["Please let me know {}.", "I would also like to know {}.", "Kindly tell me {}."],
    next_asks: &[
        "I would also like to know {}.",
        "In addition, please tell me {}.",
        "Furthermore, I would be grateful if you could tell me {}.",
        "Please also let me know {}.",
    ],
    end_asks: &[
        "Once this has been done, please let me know {}.",
        "Upon completion, kindly tell me {}.",
        "Finally, I would like to know {}.",
    ],
    apart_asks: &[
        "Independently of the above, please let me know {}.",
        "In any event, I would like to know {}.",
        "In a separate matter, please tell me {}.",
    ],
    tells: &["let me know", "tell me"],
    capitals: true,
};

/// Thumbs on a small keyboard.
pub(super) const HURRIED: Voice = Voice {
    acts: &["pls {}.", "can you {}?", "{}.", "could u {}?", "i need you to {}."],
    next_acts: &["then {}.", "and then pls {}.", "also {}.", "then can you {}?", "after that {}."],
    apart_acts: &[
        "either way pls {}.",
        "separate thing: {}.",
        "anyway, also {}.",
        "other thing, not tied to that: {}.",
    ],
    asks: &["can you tell me {}?", "need to know {}.", "tell me {} pls.", "could u check {}?", "just wondering {}."],
    own_asks: &["and tell me {}.", "and let me know {}.", "then tell me {}.", "lmk {}."],
    next_asks: &["also tell me {}.", "and can you tell me {}?", "then lmk {}.", "also need to know {}."],
    end_asks: &["when thats done tell me {}.", "at the end tell me {}."],
    apart_asks: &["either way tell me {}.", "separate question, tell me {}.", "anyway, also lmk {}."],
    tells: &["tell me", "let me know"],
    capitals: false,
};

/// Somebody who hands out work.
pub(super) const MANAGER: Voice = Voice {
    acts: &["Please {}.", "I need you to {}.", "I'd like you to {}.", "Go ahead and {}.", "I want you to {}."],
    next_acts: &[
        "Then {}.",
        "After that, {}.",
        "Once that's through, {}.",
        "I also need you to {}.",
        "Next, please {}.",
    ],
    apart_acts: &[
        "Independently of that, {}.",
        "However that turns out, please also {}.",
        "Separately, I need you to {}.",
        "In any case, {}.",
    ],
    asks: &["I need to know {}.", "Find out {}.", "Please check {}.", "I have to know {}.", "Tell me {}, please."],
    own_asks: &["I'll need to know {}.", "Let me know {}.", "Then tell me {}.", "Tell me {}."],
    next_asks: &["I also need to know {}.", "Then tell me {}.", "Please also check {}.", "And let me know {}."],
    end_asks: &["When you're through, tell me {}.", "Once it's all done, I need to know {}."],
    apart_asks: &["However that turns out, tell me {}.", "Separately, I need to know {}."],
    tells: &["tell me", "let me know"],
    capitals: true,
};

/// Spoken rather than written.
pub(super) const SPOKEN: Voice = Voice {
    acts: &[
        "Please {}.",
        "What I need is this: {}.",
        "The thing is, I need you to {}.",
        "Could you {}?",
        "I want you to {}, please.",
        "Here goes: {}.",
    ],
    next_acts: &[
        "And then {}.",
        "And after that, {}.",
        "Oh, and {}.",
        "Then, let me think, {}.",
        "And please {}, too.",
    ],
    apart_acts: &[
        "And whatever comes of that, {}.",
        "Oh, and something else that has nothing to do with it: {}.",
        "Either way, {}.",
        "And then, separately, {}.",
    ],
    asks: &[
        "What I want to know is {}.",
        "Tell me {}.",
        "I've been wondering {}, can you tell me?",
        "Could you look up {}?",
        "So, I need to know {}.",
    ],
    own_asks: &["And tell me {}.", "And then I want to know {}.", "Oh, and tell me {}.", "Let me know {}."],
    next_asks: &["Oh, and tell me {}.", "And I'd like to know {}.", "And then, tell me {}.", "And I want to know {}."],
    end_asks: &["And when all that is done, tell me {}.", "And at the end I'd like to know {}."],
    apart_asks: &[
        "And either way, tell me {}.",
        "Oh, and something else, tell me {}.",
        "And whatever comes of that, I want to know {}.",
    ],
    tells: &["tell me"],
    capitals: true,
};

/// Somebody who is sorry to ask.
pub(super) const SORRY: Voice = Voice {
    acts: &[
        "Could you please {}?",
        "I'm afraid I have to ask you to {}.",
        "It's a bother, I know, but please {}.",
        "If it isn't too much trouble, please {}.",
        "I'm afraid I need you to {}.",
    ],
    next_acts: &[
        "And then, if you don't mind, please {}.",
        "I'm afraid I also need you to {}.",
        "Then please {}.",
        "Could you also {}?",
        "After that, please {}.",
    ],
    apart_acts: &[
        "Whatever comes of that, please also {}.",
        "And, I'm sorry, something else that isn't tied to that: {}.",
        "Either way, could you {}?",
    ],
    asks: &[
        "Could you please tell me {}?",
        "I can't work out {}, please tell me.",
        "I should know this myself, but could you tell me {}?",
        "I'm afraid I have to ask {}.",
    ],
    own_asks: &["Please tell me {}.", "Could you also let me know {}?", "And please let me know {}."],
    next_asks: &["I'm afraid I also need to know {}.", "And could you please tell me {}?", "Please also tell me {}."],
    end_asks: &["When that's done, could you tell me {}?", "At the end, please let me know {}."],
    apart_asks: &["Either way, could you tell me {}?", "Whatever comes of that, please let me know {}."],
    tells: &["tell me", "let me know"],
    capitals: true,
};

/// What follows a request that somebody has put in words of their own.
pub(super) const ADDED: Voice = Voice {
    acts: &["Also, please {}."],
    next_acts: &[
        "Also, {}.",
        "Also, please {}.",
        "Besides that, please {}.",
        "And while you're at it, {}.",
        "I'd also like you to {}.",
        "Could you also {}?",
        "After that, {}.",
    ],
    apart_acts: &[
        "Also, and not tied to that, please {}.",
        "Apart from that, {}.",
        "Either way, please also {}.",
        "Separately, please {}.",
        "A different matter: {}.",
    ],
    asks: &["Also, please tell me {}."],
    own_asks: &["Please tell me {}.", "Let me know {}.", "And tell me {}."],
    next_asks: &[
        "Also, tell me {}.",
        "I'd also like to know {}.",
        "And could you tell me {}?",
        "Also, please let me know {}.",
    ],
    end_asks: &["When that's done, tell me {}.", "At the end, let me know {}."],
    apart_asks: &[
        "Apart from that, I'd like to know {}.",
        "Also, either way, please tell me {}.",
        "Separately, can you tell me {}?",
    ],
    tells: &["tell me", "let me know"],
    capitals: true,
};
