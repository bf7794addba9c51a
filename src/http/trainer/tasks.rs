//! Tasks: what there is to train on, filtered.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use super::super::Front;
use super::super::body::{EnvironmentNamePath, Parameters};
use super::super::error::ApiError;
use super::page;
use crate::farm::{TaskFilter, TaskListing, TaskPage, TaskPosition};
use crate::id::EnvironmentName;
use crate::package::files::Difficulty;
use crate::package::split::Split;

/// The filters of a list of tasks, for an environment and for all: a query string can't hold one struct in another.
macro_rules! task_query {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident)? }) => {
        $(#[$doc])*
        #[derive(Debug, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub(in crate::http) struct $name {
            $($(#[$field_doc])* #[serde(default)] #[schemars(with = "String")] $field: Option<String>,)?
            /// On this side of the split.
            #[serde(default)]
            #[schemars(with = "Split")]
            split: Option<Split>,
            /// Whose reference solution has at least so many calls.
            #[serde(default)]
            #[schemars(with = "usize")]
            calls_min: Option<usize>,
            /// Whose reference solution has at most so many calls.
            #[serde(default)]
            #[schemars(with = "usize")]
            calls_max: Option<usize>,
            /// With this label.
            #[serde(default)]
            #[schemars(with = "String")]
            tag: Option<String>,
            /// So much work.
            #[serde(default)]
            #[schemars(with = "Difficulty")]
            difficulty: Option<Difficulty>,
            /// Entries at most; 100 without.
            #[serde(default)]
            #[schemars(with = "usize", range(min = 1, max = page::LIMIT_MAX))]
            limit: Option<usize>,
            /// `next_cursor` of the page before.
            #[serde(default)]
            #[schemars(with = "String")]
            cursor: Option<String>,
        }

        impl $name {
            async fn page(self, front: &Front, environment: Option<String>) -> Result<Json<TasksPage>, ApiError> {
                let Self { split, calls_min, calls_max, tag, difficulty, limit, cursor, .. } = self;
                let filter = TaskFilter { split, calls_min, calls_max, tag, difficulty };
                let limit = page::limit(limit)?;
                let from = page::place(cursor.as_deref(), position)?;
                let found =
                    front.aside(move |front| front.farm.tasks(environment.as_deref(), &filter, from.as_ref(), limit));
                Ok(Json(TasksPage::from(found.await??)))
            }
        }
    };
}

task_query! {
    /// What `GET /tasks` takes in its query.
    TasksQuery {
        /// Of this environment.
        environment
    }
}

task_query! {
    /// What `GET /environments/{name}/tasks` takes in its query.
    EnvironmentTasksQuery {}
}

/// Some tasks, in the order of their environments' names and of their files.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct TasksPage {
    /// The tasks.
    #[serde(serialize_with = "shared")]
    #[schemars(with = "Vec<TaskListing>")]
    tasks: Vec<Arc<TaskListing>>,
    /// Where the next page begins; null on the last one.
    next_cursor: Option<String>,
}

impl From<TaskPage> for TasksPage {
    fn from(page: TaskPage) -> Self {
        let next_cursor = page.next.map(|next| page::cursor(&format!("{}/{}", next.environment, next.passed)));
        Self { tasks: page.tasks, next_cursor }
    }
}

fn shared<S: Serializer>(tasks: &[Arc<TaskListing>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(tasks.iter().map(|task| &**task))
}

fn position(text: &str) -> Option<TaskPosition> {
    let (environment, passed) = text.split_once('/')?;
    Some(TaskPosition { environment: EnvironmentName::parse(environment).ok()?, passed: passed.parse().ok()? })
}

/// `GET /tasks`.
pub(in crate::http) async fn of_all(
    State(front): State<Front>,
    Parameters(mut query): Parameters<TasksQuery>,
) -> Result<Json<TasksPage>, ApiError> {
    let environment = query.environment.take();
    query.page(&front, environment).await
}

/// `GET /environments/{name}/tasks`. The environment isn't loaded for it.
pub(in crate::http) async fn of_environment(
    State(front): State<Front>,
    EnvironmentNamePath(environment): EnvironmentNamePath,
    Parameters(query): Parameters<EnvironmentTasksQuery>,
) -> Result<Json<TasksPage>, ApiError> {
    query.page(&front, Some(environment)).await
}
