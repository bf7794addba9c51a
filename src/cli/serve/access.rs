//! Who may use the server: the admin token and the tokens of the configuration file.

use std::env;
use std::fs;
use std::net::SocketAddr;

use super::Options;
use crate::cli::Failure;
use crate::cli::settings::Origin;
use crate::config::access::{Access, TokenDigest, read_token};

/// Holds the admin token itself. No flag does: a command line is read by whoever lists processes.
const ADMIN_TOKEN: &str = "ENVFARM_ADMIN_TOKEN";

/// The tokens that the server asks for; none where everybody may do everything, which must be asked for where other machines
/// reach one of the addresses.
pub(super) fn access(options: &Options, addresses: &[SocketAddr]) -> Result<Access, Failure> {
    let admin = admin_token(options)?;
    let trainers = options.settings.trainers.clone();
    if admin.is_none() && !trainers.is_empty() {
        return Err(Failure::usage(format!(
            "the configuration file has [[tokens]], and there is no admin token, so nobody could do everything; \
             set {ADMIN_TOKEN} or --admin-token-file (`envfarm token` makes a token)"
        )));
    }
    if let Some(admin) = &admin
        && let Some(trainer) = trainers.iter().find(|trainer| trainer.digest.matches(admin))
    {
        return Err(Failure::usage(format!("the token {} is the admin token too", trainer.name)));
    }
    let access = Access { admin, trainers };
    if !access.is_open() {
        return Ok(access);
    }
    if addresses.iter().all(|address| address.ip().is_loopback()) {
        tracing::info!("no token is set: whoever reaches this address on this machine may do everything");
        return Ok(access);
    }
    if options.allow_unauthenticated {
        tracing::warn!("no token is set: whoever reaches this address may create, read and end every episode");
        return Ok(access);
    }
    Err(Failure::usage(format!(
        "{} can be reached from other machines, and no admin token is set: whoever reaches it could create, read and end \
         every episode. Make a token with `envfarm token` and set {ADMIN_TOKEN} or --admin-token-file; or use \
         --host 127.0.0.1; or add --allow-unauthenticated if that is what you want",
        options.host
    )))
}

/// The admin token, from where it counts most: the flag's file, then the variable with the token or with a file, then the
/// configuration file's file.
fn admin_token(options: &Options) -> Result<Option<TokenDigest>, Failure> {
    let in_variable = env::var_os(ADMIN_TOKEN).filter(|token| !token.is_empty());
    let origin = options.settings.origin("admin_token_file");
    let (text, source) = match (in_variable, &options.admin_token_file) {
        (Some(_), Some(_)) if origin == Origin::Variable => {
            return Err(Failure::usage(format!("set {ADMIN_TOKEN} or {ADMIN_TOKEN}_FILE, not both")));
        }
        (Some(token), path) if path.is_none() || origin == Origin::File => {
            (token.to_string_lossy().into_owned(), ADMIN_TOKEN.to_owned())
        }
        (_, Some(path)) => {
            let shown = path.display().to_string();
            let text = fs::read_to_string(path);
            (text.map_err(|err| Failure::usage(format!("the admin token in {shown} can't be read: {err}")))?, shown)
        }
        (_, None) => return Ok(None),
    };
    read_token(&text).map(Some).map_err(|err| Failure::usage(format!("the admin token in {source} is no good: {err}")))
}
