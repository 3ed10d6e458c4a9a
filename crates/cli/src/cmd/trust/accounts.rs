//! Keys that people registered with their accounts, for drafts of trust roots. The server could name any key: each is shown
//! with its id, to be compared with the person.

use synod_protocol::http::account_key::{UserKey, UserKeys};
use synod_protocol::http::auth::AuthMethods;
use synod_protocol::http::client::escape;
use synod_trust::{Key, KeySpec, RootDoc};

use super::super::API;
use super::draft::{self, Named};
use crate::exit::{Exit, Fault, Result};
use crate::output::{clean, note};
use crate::session::App;

/// Stands for the keys of the account instead of a file. A file of that name is `./account`.
const ACCOUNT: &str = "account";

/// The people with their keys, from files and from accounts.
pub async fn with_keys(named: Vec<Named>, app: &App<'_>) -> Result<Vec<(String, Vec<KeySpec>)>> {
    let mut people = Vec::new();
    for one in named {
        let (accounts, files): (Vec<String>, Vec<String>) = one.items.into_iter().partition(|item| item == ACCOUNT);
        let mut keys = draft::keys(&files)?;
        if !accounts.is_empty() {
            let path = format!("{API}/users/{}/keys", escape(&one.name));
            let registered: UserKeys = app.connect().await?.get(&path).await?;
            keys.extend(looked_over(&one.name, registered.keys)?);
        }
        people.push((one.name, keys));
    }
    Ok(people)
}

/// Reads what the server says somebody's keys are, and shows each by the id of what will stand in the root.
fn looked_over(name: &str, registered: Vec<UserKey>) -> Result<Vec<KeySpec>> {
    if registered.is_empty() {
        return Err(Fault::new(Exit::NotFound, format!("the account {name} has no key"))
            .help("have them register one in the console or by `/auth/ssh-keys`, or name a file with their public key"));
    }
    let mut keys = Vec::new();
    for one in registered {
        let key = Key::read(&one.spec).map_err(|why| Fault::new(Exit::Denied, format!("the server shows a key of {name} that is none: {why}")))?;
        // The id is computed here: what the server calls the key does not matter.
        note(&format!("{name}: {} ({} {})", key.id(), clean(&one.kind), clean(&one.name)));
        keys.push(one.spec);
    }
    note(&format!("compare these ids with {name}, by another way than this server, before anybody signs"));
    Ok(keys)
}

/// A root with passkeys says for which site they count. One that does not yet takes the server's.
pub async fn name_site(doc: &mut RootDoc, app: &App<'_>) -> Result<()> {
    let has = doc.principals.iter().flat_map(|person| &person.keys).any(|key| matches!(key, KeySpec::Passkey(_)));
    if !has || doc.passkeys.is_some() {
        return Ok(());
    }
    let methods: AuthMethods = app.connect().await?.get(&format!("{API}/auth/methods")).await?;
    let Some(site) = methods.passkeys else {
        return Err(Fault::new(Exit::Conflict, "the root has passkeys and does not say for which site they count, and this server has none for them")
            .help("set `url` in the server's configuration to https://NAME, or write `passkeys` into the root"));
    };
    note(&format!("passkeys will count for {}, at {}", clean(&site.rp_id), clean(&site.origins.join(", "))));
    doc.passkeys = Some(site);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use synod_trust::testing::Signer;

    fn registered(signer: &Signer, called: &str) -> UserKey {
        UserKey { kind: "ssh".into(), name: "laptop".into(), key_id: called.into(), spec: signer.spec(), created_at: synod_domain::Timestamp(0) }
    }

    #[test]
    fn keys_of_accounts_are_read_and_never_believed() {
        let (one, other) = (Signer::ed25519("ann"), Signer::passkey_p256("ann"));
        assert_eq!(looked_over("ann", vec![registered(&one, "x"), registered(&other, "y")]).unwrap(), [one.spec(), other.spec()]);
        assert_eq!(looked_over("ann", Vec::new()).unwrap_err().exit(), Exit::NotFound);
        let mut odd = registered(&one, "x");
        odd.spec = KeySpec::Ssh("ssh-ed25519 AAAA".into());
        assert_eq!(looked_over("ann", vec![odd]).unwrap_err().exit(), Exit::Denied);
    }
}
