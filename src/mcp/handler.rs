//! rmcp's handler trait, in terms of [`Server`].

use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, CustomRequest, CustomResult, DiscoverResult,
    Implementation, InitializeRequestParams, InitializeResult, ListToolsResult, MetaObject, PaginatedRequestParams,
    ProtocolVersion, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::Value;

use super::messages;
use super::{CACHE_TTL_MS, Server};
use crate::episode::{IDEMPOTENCY_KEY_BYTES_MAX, IdempotencyKey};

/// Where a result's `_meta` names the server (specification 2026-07-28).
pub(super) const SERVER_INFO_KEY: &str = "io.modelcontextprotocol/serverInfo";

/// Where the `_meta` of `tools/call` names the call, so that sending it again doesn't make it again.
const IDEMPOTENCY_KEY: &str = "envfarm/idempotencyKey";

/// The methods that exist; a request for one of them with unreadable `params` is told so instead of 'method not found'.
const METHODS: [&str; 3] = ["server/discover", "tools/list", "tools/call"];

/// The methods that exist before 2026-07-28 only.
const METHODS_WITH_SESSIONS: [&str; 2] = ["initialize", "ping"];

impl Server {
    fn implementation(&self) -> Implementation {
        Implementation::new(self.environment.name().to_string(), env!("CARGO_PKG_VERSION"))
            .with_title(self.environment.title())
            .with_description(self.environment.summary())
    }

    /// `_meta` of a result: newer clients are told who answered; older ones learned it from `initialize`.
    fn meta(&self, context: &RequestContext<RoleServer>) -> Option<MetaObject> {
        if !is_stateless(context) {
            return None;
        }
        let name_and_version = Implementation::new(self.environment.name().to_string(), env!("CARGO_PKG_VERSION"));
        let mut meta = MetaObject::default();
        meta.insert(SERVER_INFO_KEY.to_owned(), serde_json::to_value(name_and_version).unwrap_or(Value::Null));
        Some(meta)
    }
}

/// True for requests of 2026-07-28 and later. Revisions are dates, so they compare as text.
fn is_stateless(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version().is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str())
}

/// The key that a call's `_meta` names it by, so that sending it again doesn't make it again.
fn idempotency_key(context: &RequestContext<RoleServer>) -> Result<Option<IdempotencyKey>, ErrorData> {
    let Some(value) = context.meta.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = value.as_str().and_then(IdempotencyKey::parse);
    key.map(Some).ok_or_else(|| {
        let message = format!(
            "_meta[{IDEMPOTENCY_KEY:?}] must be a string of 1 to {IDEMPOTENCY_KEY_BYTES_MAX} printable ASCII characters"
        );
        ErrorData::invalid_params(message, None)
    })
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build()).with_server_info(self.implementation())
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        let result = self.negotiate_initialize(&request)?;
        context.peer.set_peer_info(request);
        Ok(result.with_instructions(self.instructions()))
    }

    async fn discover(&self, _context: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        let versions = self.supported_protocol_versions().into_owned();
        let config = self.get_info().with_instructions(self.instructions());
        Ok(DiscoverResult::from_server_info(versions, config)
            .with_ttl_ms(CACHE_TTL_MS)
            .with_cache_scope(CacheScope::Public))
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let mut result = messages::listing(&self.environment);
        result.meta = self.meta(&context);
        Ok(result)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        // Inline on the async worker: a call is 10 to 50 us of CPU, less than handing it to another thread costs.
        let key = idempotency_key(&context)?;
        let result = self.call(&request.name, request.arguments.unwrap_or_default(), key)?;
        Ok(CallToolResult::from(result).with_meta(self.meta(&context)).into())
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.environment.tools().get(name).map(messages::tool)
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let method = request.method;
        // rmcp reads a known method whose params it can't parse as a method of its own.
        let known = METHODS.contains(&method.as_str())
            || (METHODS_WITH_SESSIONS.contains(&method.as_str()) && !is_stateless(&context));
        if known {
            let message = if method == "tools/call" {
                r#"params of tools/call must be {"name": string, "arguments": object}"#.to_owned()
            } else {
                format!("params of {method} are not what the method takes")
            };
            return Err(ErrorData::invalid_params(message, None));
        }
        Err(ErrorData::new(rmcp::model::ErrorCode::METHOD_NOT_FOUND, method, None))
    }
}
