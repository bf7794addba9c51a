//! The blueprints and modules in the binary; a test holds the lists to the folders.

macro_rules! texts {
    ($folder:literal: $($name:ident)*) => {
        &[$((stringify!($name), include_str!(concat!("../", $folder, "/", stringify!($name), ".yaml"))),)*]
    };
}

/// Blueprints by name.
pub(super) const BLUEPRINTS: &[(&str, &str)] = texts!["blueprints":
    account_security agile_planning assistant_workspace auction_house bike_sharing bookkeeping
    brokerage_accounts business_banking business_reviews business_telecom cable_internet chat_servers
    classified_ads client_projects code_host corporate_meals courier_dispatch craft_shop creator_memberships
    credit_card_issuer crypto_exchange design_studio developer_qa device_support devops_pipelines
    document_library electronics_store estate_agency event_streaming event_ticketing everyday_banking
    fantasy_sports film_database flight_search forum_communities freight_shipping furniture_delivery
    game_creation game_library gift_registry grocery_pickup grocery_shopper group_buying hardware_store
    home_buying home_installation home_sharing hotel_reservations idea_boards identity_access job_board
    kanban_boards learning_platform live_streaming live_tv login_verification mailbox meal_delivery
    media_operations meeting_scheduler merchant_storefront microblog mobile_carrier model_api_platform
    money_transfers mortgage_servicing music_streaming neighborhood_network news_reader office_documents
    online_marketplace parcel_carrier payment_processing pharmacy photo_sharing point_of_sale postal_service
    professional_network question_answers reading_tracker recipe_box rental_homes retirement_savings
    ride_hailing sales_crm secure_mail shared_calendar short_video social_groups stock_trading_app stock_watch
    table_booking team_chat trip_packages video_channels video_meetings video_subscription warehouse_club
    wealth_banking weather_service
];

/// Modules by name.
pub(super) const MODULES: &[(&str, &str)] = texts!["modules":
    abuse_reports addresses approvals comments favorites gift_cards loyalty messages notifications
    payment_methods reminders reviews sharing subscriptions support_tickets tags
];

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn the_lists_are_what_the_folders_hold() {
        for (folder, listed) in [("blueprints", BLUEPRINTS), ("modules", MODULES)] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/synth").join(folder);
            let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let mut held: Vec<String> =
                entries.filter_map(|name| name.strip_suffix(".yaml").map(str::to_owned)).collect();
            held.sort();
            let listed: Vec<&str> = listed.iter().map(|(name, _)| *name).collect();
            assert_eq!(held, listed);
        }
    }
}
