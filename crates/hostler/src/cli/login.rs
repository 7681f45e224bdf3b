//! `hostler login` and `hostler logout`.

use std::path::PathBuf;

use clap::Args;
use hostler_client::{Authority, Client, ClientError, Config};
use hostler_model::Code;
use hostler_model::body::SignIn;

use crate::cli::failure::Failure;
use crate::cli::here::{Here, ask, authority_in, secret, secret_in};
use crate::contexts::Context;

pub(super) const LOGIN_EXAMPLES: &str = "Examples:
  hostler login https://manager:8470
  hostler login https://manager:8470 --ca authority.crt --user bob --password-file -
  hostler login https://manager:8470 --fingerprint 4f0c… --user bob
  hostler login https://lab:8470 --context lab
  hostler login

The server is trusted by its authority's certificate: given with --ca, by its fingerprint, or, the first time, after you
have compared the fingerprint that is shown with the one that the server's administrator tells you.";

/// Sign in to a server.
#[derive(Args)]
pub struct Login {
    /// The server, as https://host:8470; the current context's where absent
    #[arg(value_name = "URL")]
    url: Option<String>,
    /// Who signs in; asked for where absent
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Read the password from this file ("-": standard input)
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Trust the authority with this fingerprint (SHA-256 of its certificate, hexadecimal)
    #[arg(long, value_name = "SHA256", conflicts_with = "ca")]
    fingerprint: Option<String>,
}

pub(super) async fn login(here: &Here, login: Login) -> Result<(), Failure> {
    let (path, mut contexts) = here.contexts()?;
    let named = here.global.context.clone();
    let known = contexts.meant(named.as_deref()).map(|(name, context)| (name.to_owned(), context.clone()));
    let server = login.url.clone().or_else(|| here.global.server.clone());
    let server =
        server.or_else(|| known.as_ref().map(|(_, context)| context.server.clone())).ok_or_else(|| {
            Failure::usage(
                "it is not said which server is meant",
                "Write it as in `hostler login https://manager:8470`",
            )
        })?;
    // A context for the same server keeps its name, whom it trusts, and who signs in.
    let same = known.filter(|(_, context)| context.server == server).or_else(|| {
        let found = contexts.contexts.iter().find(|(_, context)| named.is_none() && context.server == server);
        found.map(|(name, context)| (name.clone(), context.clone()))
    });
    let authority = trusted(here, &login, &server, same.as_ref().map(|(_, context)| context)).await?;
    let client = Client::new(Config { server: server.clone(), authority: authority.clone(), token: None })?;
    let context = |user, token, expires| Context {
        server: client.server().to_owned(),
        user: Some(user),
        token: Some(token),
        expires,
        authority: authority.to_pem(),
    };
    let made = match &here.global.token_file {
        // A token that exists already: nothing to ask, only to see whose it is.
        Some(file) => {
            let token = secret_in(file)?;
            let me = client.with_token(&token)?.me().await?;
            context(me.user.name.to_string(), token, None)
        }
        None => {
            let known = same.as_ref().and_then(|(_, context)| context.user.clone());
            let user = match login.user.or(known) {
                Some(user) => user,
                None if here.is_somebody_there() => ask("User: ")?.trim().to_owned(),
                None => return Err(Failure::usage("it is not said who signs in", "Say it with --user NAME")),
            };
            let password =
                secret(here, login.password_file.as_deref(), &format!("Password of {user}"), false)?;
            let signed_in = client.sign_in(&SignIn { user, password, cookie: false }).await?;
            let name = signed_in.user.user.name.to_string();
            let token =
                signed_in.token.ok_or_else(|| Failure::Here("the server gave no token".to_owned()))?;
            context(name, token, Some(signed_in.expires))
        }
    };
    let name =
        named.or_else(|| same.map(|(name, _)| name)).unwrap_or_else(|| free_name(&contexts, &made.server));
    here.say(format!(
        "Signed in to {} as {}; context \"{name}\".",
        made.server,
        made.user.as_deref().unwrap_or("?")
    ));
    contexts.contexts.insert(name.clone(), made);
    contexts.current = Some(name);
    Ok(contexts.save(&path)?)
}

/// The name of a new context: the server's host.
fn free_name(contexts: &crate::contexts::Contexts, server: &str) -> String {
    let host = server.trim_start_matches("https://");
    let short = host.rsplit_once(':').map_or(host, |(host, _)| host);
    if contexts.contexts.contains_key(short) { host.to_owned() } else { short.to_owned() }
}

/// Whom to trust: who is named, else who was trusted before, else who shows a fingerprint that a person confirms.
async fn trusted(
    here: &Here,
    login: &Login,
    server: &str,
    same: Option<&Context>,
) -> Result<Authority, Failure> {
    if let Some(file) = &here.global.ca {
        return authority_in(file);
    }
    if let (Some(context), None) = (same, &login.fingerprint) {
        return Ok(Authority::from_pem(&context.authority)?);
    }
    let shown = Client::look(server).await?;
    let fingerprint = shown.fingerprint();
    let plain = |text: &str| text.chars().filter(char::is_ascii_hexdigit).collect::<String>().to_lowercase();
    match &login.fingerprint {
        Some(expected) if plain(expected) == fingerprint => Ok(shown),
        Some(_) => Err(ClientError::Untrusted {
            server: server.to_owned(),
            cause: format!("its authority has another fingerprint: {fingerprint}"),
        }
        .into()),
        None if here.is_somebody_there() => {
            here.say(format!(
                "{server} is not known yet. Its authority's fingerprint (SHA-256) is\n  {fingerprint}"
            ));
            here.confirm("Is that the fingerprint that the server's administrator told you?", false)?;
            Ok(shown)
        }
        None => Err(Failure::usage(
            format!("{server} is not known yet; its authority's fingerprint is {fingerprint}"),
            "Compare it, and say it with --fingerprint, or give the certificate with --ca",
        )),
    }
}

pub(super) async fn logout(here: &Here) -> Result<(), Failure> {
    let (path, mut contexts) = here.contexts()?;
    let meant = contexts
        .meant(here.global.context.as_deref())
        .map(|(name, context)| (name.to_owned(), context.clone()));
    let Some((name, context)) = meant else {
        return Err(Failure::NotSignedIn("there is no current context".to_owned()));
    };
    let Some(token) = context.token else {
        here.say(format!("Nobody is signed in to {}.", context.server));
        return Ok(());
    };
    let authority = Authority::from_pem(&context.authority)?;
    let client = Client::new(Config { server: context.server, authority, token: Some(token) })?;
    let signed_out = client.sign_out().await;
    // The token is forgotten here whatever the server says: that is what was asked.
    if let Some(context) = contexts.contexts.get_mut(&name) {
        (context.token, context.expires) = (None, None);
    }
    contexts.save(&path)?;
    match signed_out {
        Err(ClientError::Refused(refusal)) if refusal.code == Code::AccessNotSignedIn => Ok(()),
        signed_out => Ok(signed_out?),
    }
}
