//! The blueprints and modules in the binary; a test holds the lists to the folders.

macro_rules! texts {
    ($folder:literal: $($name:ident)*) => {
        &[$((stringify!($name), include_str!(concat!("../", $folder, "/", stringify!($name), ".yaml"))),)*]
    };
}

/// Blueprints by name.
pub(super) const BLUEPRINTS: &[(&str, &str)] = texts!["blueprints":
    auction_house cable_internet credit_card_issuer game_library home_sharing hotel_reservations
    learning_platform mailbox mobile_carrier music_streaming online_marketplace retirement_savings
    ride_hailing stock_trading_app table_booking team_chat video_subscription
];

/// Modules by name.
pub(super) const MODULES: &[(&str, &str)] = texts!["modules":
    abuse_reports addresses approvals comments favorites gift_cards loyalty messages notifications
    payment_methods reminders reviews sharing subscriptions support_tickets tags
];
