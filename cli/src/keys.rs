//! Identities, and the keys of owners, in files: `keys new`, `keys show` and `keys owner`.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use peer_sender_tokio::{Identity, Naming, OwnerKey, load_identity, load_owner_key};
use ring::rand::{SecureRandom, SystemRandom};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::Verdict;
use crate::args::{
    KeyFileArgs, KeysArgs, KeysCommand, NewKeyArgs, OwnerArgs, OwnerCommand, ShowKeyArgs,
};
use crate::console;
use crate::failure::Failure;

/// What a key file is made for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum KeyKind {
    Identity,
    AckiNacki,
    Owner,
}

impl KeyKind {
    /// The command of `keys` that makes one.
    pub(crate) fn make(self) -> &'static str {
        match self {
            Self::Identity => "new",
            Self::AckiNacki => "new --acki-nacki",
            Self::Owner => "owner new",
        }
    }

    /// The command of `keys` that shows one.
    pub(crate) fn show(self) -> &'static str {
        match self {
            Self::Identity => "show",
            Self::AckiNacki => "show --acki-nacki",
            Self::Owner => "owner show",
        }
    }
}

pub(crate) fn run(args: KeysArgs) -> Result<Verdict, Failure> {
    match args.command {
        KeysCommand::New(args) => new(&args)?,
        KeysCommand::Show(args) => show(&args, &load_identity(&args.file.file)?)?,
        KeysCommand::Owner(OwnerArgs { command }) => match command {
            OwnerCommand::New(args) => {
                let key = OwnerKey::from_secret(*secret()?);
                write(&args.file, &key.to_pem(), KeyKind::Owner)?;
                show_owner(&args, &key)?;
                if !args.json {
                    console::say(&format!(
                        "to make a node of this owner: peer-sender keys new --acki-nacki --owner-key {} NODE_FILE",
                        args.file.display(),
                    ));
                }
            }
            OwnerCommand::Show(args) => show_owner(&args, &owner_key(&args.file)?)?,
        },
    }
    Ok(Verdict::AllIsWell)
}

fn new(args: &NewKeyArgs) -> Result<(), Failure> {
    let (file, acki_nacki) = (&args.shown.file, args.shown.acki_nacki);
    let owners = args.owner_key.iter().map(|file| owner_key(file));
    let owners = owners.collect::<Result<Vec<_>, _>>()?;
    let (identity, protocol) = if acki_nacki {
        let made = Identity::self_made(&owners, &SystemRandom::new());
        let identity = made.map_err(|error| Failure::NoIdentity { error })?;
        let text = Zeroizing::new(identity.certificates_pem() + &identity.to_pem());
        write(&file.file, &text, KeyKind::AckiNacki)?;
        (identity, " --protocol acki-nacki")
    } else {
        let identity = make()?;
        write(&file.file, &identity.to_pem(), KeyKind::Identity)?;
        (identity, "")
    };
    show(&args.shown, &identity)?;
    if !file.json {
        console::say(&format!(
            "to receive with it: peer-sender listen --bind 127.0.0.1:4433 --key {}{protocol} --allow KEY_OF_THE_SENDER",
            file.file.display(),
        ));
    }
    Ok(())
}

/// A fresh identity, from the operating system's randomness.
pub(crate) fn make() -> Result<Identity, Failure> {
    Ok(Identity::from_secret(*secret()?))
}

fn secret() -> Result<Zeroizing<[u8; 32]>, Failure> {
    let mut secret = Zeroizing::new([0; 32]);
    SystemRandom::new()
        .fill(secret.as_mut())
        .map_err(|_| Failure::NoRandomness)?;
    Ok(secret)
}

#[derive(Serialize)]
struct Shown {
    file: String,
    key: String,
    /// Of what has owners.
    #[serde(skip_serializing_if = "Option::is_none")]
    owners: Option<Vec<String>>,
}

fn show(args: &ShowKeyArgs, identity: &Identity) -> Result<(), Failure> {
    let file = args.file.file.clone();
    let (naming, owners) = if args.acki_nacki {
        let owners = identity.owners();
        let owners = owners.map_err(|why| Failure::NotOwned { file, why })?;
        let owners = owners.iter().map(ToString::to_string).collect();
        (Naming::Certificate, Some(owners))
    } else {
        (Naming::Key, None)
    };
    print(&args.file, identity.key_as(naming).to_string(), owners)
}

fn show_owner(args: &KeyFileArgs, key: &OwnerKey) -> Result<(), Failure> {
    print(args, key.owner().to_string(), None)
}

fn print(args: &KeyFileArgs, key: String, owners: Option<Vec<String>>) -> Result<(), Failure> {
    let shown = Shown {
        file: args.file.display().to_string(),
        key,
        owners,
    };
    let text = if args.json {
        format!("{}\n", serde_json::json!(shown))
    } else {
        let owners = shown.owners.iter().flatten();
        let owners = owners.map(|owner| format!("{}: signed by the owner {owner}\n", shown.file));
        owners.collect::<String>() + &format!("{}: {}\n", shown.file, shown.key)
    };
    let rest = format!("to see the key: peer-sender keys show {}", shown.file);
    console::print(&text, &rest)
}

fn owner_key(file: &Path) -> Result<OwnerKey, Failure> {
    load_owner_key(file).map_err(Failure::OwnerKeyFile)
}

fn write(file: &Path, pem: &str, kind: KeyKind) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    for_owner_only(&mut options);
    let mut created = options.open(file).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::KeyFileExists {
            file: file.to_owned(),
            kind,
        },
        _ => Failure::KeyFileUnwritable {
            file: file.to_owned(),
            error,
            kind,
        },
    })?;
    created
        .write_all(pem.as_bytes())
        .and_then(|()| created.sync_all())
        .map_err(|error| {
            // Half a key would stand in the way of the next attempt and serve nobody.
            let _ = fs::remove_file(file);
            Failure::KeyFileUnwritable {
                file: file.to_owned(),
                error,
                kind,
            }
        })
}

#[cfg(unix)]
fn for_owner_only(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600);
}

#[cfg(not(unix))]
fn for_owner_only(_: &mut OpenOptions) {}
