//! The blueprints and modules in the binary; a test holds the lists to the folders.

macro_rules! texts {
    ($folder:literal: $($name:ident)*) => {
        &[$((stringify!($name), include_str!(concat!("../", $folder, "/", stringify!($name), ".yaml"))),)*]
    };
}

/// Blueprints by name.
pub(super) const BLUEPRINTS: &[(&str, &str)] = texts!["blueprints":
];

/// Modules by name.
pub(super) const MODULES: &[(&str, &str)] = texts!["modules":
    approvals comments favorites messages notifications reminders reviews sharing support_tickets tags
];
