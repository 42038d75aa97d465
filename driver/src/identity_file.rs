//! Identities in files: private keys that only their owner may read.

use std::fs::{self, File, FileType};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use peer_sender_quic::{Identity, IdentityError, OwnerKey};
use thiserror::Error;
use zeroize::Zeroizing;

/// Far more than any key or chain has, so that a wrong name (a device, a film) is noticed soon.
const FILE_BYTES_MAX: usize = 64 << 10;

/// Reads an identity from its key file: one private key, such as `peer-sender keys new` makes. An
/// Ed25519 key as PKCS #8 PEM is enough, and certificates beside it are passed over; any other key
/// needs its certificate in the same file ([`Identity::from_chain_pem`]).
///
/// What was read is wiped from memory before this returns. It blocks while the file is read, which
/// has 64 KiB at most.
///
/// # Errors
///
/// The file cannot be read, is neither a regular file nor a character device (a pipe could be
/// waited for without end), or holds no usable key; or, on Unix, its group or others may read or
/// write it. Elsewhere nothing is asked of who may read it.
///
/// ```no_run
/// let identity = peer_sender_driver::load_identity("node.key")?;
/// println!("others know this node by {}", identity.key());
/// # Ok::<(), peer_sender_driver::IdentityFileError>(())
/// ```
pub fn load_identity(key_file: impl AsRef<Path>) -> Result<Identity, IdentityFileError> {
    let file = key_file.as_ref();
    read_key(file, |pem| match Identity::from_pem(pem) {
        Err(IdentityError::Algorithm) => match Identity::from_chain_pem(pem, pem) {
            Err(IdentityError::NoCertificate) => Err(IdentityError::Algorithm),
            certified => certified,
        },
        read => read,
    })
}

/// Reads the private key of an owner: one Ed25519 key as PKCS #8 PEM, such as
/// `peer-sender keys owner new` makes.
///
/// # Errors
///
/// As [`load_identity`].
pub fn load_owner_key(key_file: impl AsRef<Path>) -> Result<OwnerKey, IdentityFileError> {
    read_key(key_file.as_ref(), OwnerKey::from_pem)
}

/// Reads an identity that an authority has certified: its certificates, its own first, and its
/// private key, in two files or in one and the same. See [`Identity::from_chain_pem`] for what may
/// be in them, and [`load_identity`] for how they are read; anybody may read a file that has
/// certificates only.
///
/// # Errors
///
/// As [`load_identity`]; or the certificates cannot be used with the key.
pub fn load_certified_identity(
    certificate_file: impl AsRef<Path>,
    key_file: impl AsRef<Path>,
) -> Result<Identity, IdentityFileError> {
    let certificates = open(certificate_file.as_ref())?.1;
    read_key(key_file.as_ref(), |key| {
        Identity::from_chain_pem(text(&certificates), key)
    })
}

/// Why a file is not taken as an identity's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IdentityFileError {
    /// The system does not let us read it.
    #[error("cannot read the key file {}: {text}", file.display())]
    Unreadable {
        /// Its name.
        file: PathBuf,
        /// The kind of the system's error.
        kind: io::ErrorKind,
        /// The system's words.
        text: String,
    },
    /// It is too large to be one.
    #[error("{} has more than 64 KiB and is no key file", file.display())]
    TooLarge {
        /// Its name.
        file: PathBuf,
    },
    /// It, or the certificates given with it, cannot be used.
    #[error("{} is not usable as a key: {error}", file.display())]
    Malformed {
        /// The key file's name.
        file: PathBuf,
        /// What is wrong with it.
        error: IdentityError,
    },
    /// It is a key, and not its owner's alone.
    #[error(
        "others than its owner may read or write the key {}; mend it: chmod 600 {}",
        file.display(),
        file.display()
    )]
    NotPrivate {
        /// Its name.
        file: PathBuf,
    },
}

/// Of a file that is no key nothing is said but that; what it allows to whom is its owner's affair.
fn read_key<T>(
    file: &Path,
    parse: impl FnOnce(&str) -> Result<T, IdentityError>,
) -> Result<T, IdentityFileError> {
    let (open, bytes) = open(file)?;
    let key = parse(text(&bytes)).map_err(|error| IdentityFileError::Malformed {
        file: file.to_owned(),
        error,
    })?;
    // The file that was read is the one to ask, whatever has its name now.
    if is_private(&open).map_err(|error| unreadable(file, &error))? {
        Ok(key)
    } else {
        Err(IdentityFileError::NotPrivate {
            file: file.to_owned(),
        })
    }
}

/// The file, and what is in it, for [`text`].
fn open(file: &Path) -> Result<(File, Zeroizing<Vec<u8>>), IdentityFileError> {
    // Asked before it is opened: to open a pipe waits, for ever if nobody writes into it.
    let kind = fs::metadata(file).map_err(|error| unreadable(file, &error))?;
    let kind = kind.file_type();
    if !kind.is_file() && !is_character_device(kind) {
        let error = match kind.is_dir() {
            true => io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"),
            false => io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"),
        };
        return Err(unreadable(file, &error));
    }
    let open = File::open(file).map_err(|error| unreadable(file, &error))?;
    // All at once: growing would leave copies behind. One byte more tells what is too large.
    let mut bytes = Zeroizing::new(vec![0; FILE_BYTES_MAX + 1]);
    let mut read = 0;
    while let Some(room) = bytes.get_mut(read..).filter(|room| !room.is_empty()) {
        match (&open).read(room) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(file, &error)),
        }
    }
    if read > FILE_BYTES_MAX {
        let file = file.to_owned();
        return Err(IdentityFileError::TooLarge { file });
    }
    bytes.truncate(read);
    // Text around a key may be in whatever encoding. Replaced in place: a copy may stay behind.
    for byte in bytes.iter_mut().filter(|byte| !byte.is_ascii()) {
        *byte = b'?';
    }
    Ok((open, bytes))
}

/// The text of a file that was opened here: it has nothing but ASCII.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

fn unreadable(file: &Path, error: &io::Error) -> IdentityFileError {
    IdentityFileError::Unreadable {
        file: file.to_owned(),
        kind: error.kind(),
        text: error.to_string(),
    }
}

#[cfg(unix)]
fn is_private(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(file.metadata()?.permissions().mode() & 0o077 == 0)
}

#[cfg(unix)]
fn is_character_device(kind: FileType) -> bool {
    use std::os::unix::fs::FileTypeExt;
    kind.is_char_device()
}

#[cfg(not(unix))]
fn is_character_device(_: FileType) -> bool {
    false
}

#[cfg(not(unix))]
fn is_private(_: &File) -> io::Result<bool> {
    Ok(true)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A directory of one test, removed with all in it.
    struct Directory(PathBuf);

    impl Directory {
        fn new(test: &str) -> Self {
            let name = format!("peer-sender-identity-file-{test}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn file(&self, name: &str, content: impl AsRef<[u8]>, mode: u32) -> PathBuf {
            let file = self.0.join(name);
            fs::write(&file, content).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            file
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_key_of_its_owner_alone_is_read() {
        let directory = Directory::new("owner");
        let identity = Identity::from_secret([7; 32]);
        for mode in [0o400, 0o600, 0o700] {
            let file = directory.file("a.key", identity.to_pem().as_bytes(), mode);
            assert_eq!(load_identity(&file).unwrap().key(), identity.key());
            fs::remove_file(file).unwrap();
        }
        // In whatever words, and encoding, it is wrapped.
        let wrapped = [b"\xe4\xf6\xfc\n", identity.to_pem().as_bytes()].concat();
        let file = directory.file("b.key", wrapped, 0o600);
        assert_eq!(load_identity(file).unwrap().key(), identity.key());
    }

    #[test]
    fn a_key_that_others_may_read_or_write_is_refused_with_the_way_out() {
        let directory = Directory::new("others");
        let pem = Identity::from_secret([7; 32]).to_pem();
        for mode in [0o640, 0o604, 0o644, 0o620, 0o602, 0o610, 0o601, 0o777] {
            let file = directory.file("a.key", pem.as_bytes(), mode);
            let error = load_identity(&file).unwrap_err();
            let words = error.to_string();
            assert!(
                words.ends_with(&format!("chmod 600 {}", file.display())),
                "{words}"
            );
            assert_eq!(error, IdentityFileError::NotPrivate { file });
        }
    }

    #[test]
    fn what_is_no_key_file_is_refused_by_name() {
        let directory = Directory::new("no-key");
        let missing = load_identity(directory.0.join("none")).unwrap_err();
        assert!(
            matches!(
                missing,
                IdentityFileError::Unreadable {
                    kind: io::ErrorKind::NotFound,
                    ..
                }
            ),
            "{missing}"
        );
        let itself = load_identity(&directory.0).unwrap_err();
        assert!(
            matches!(itself, IdentityFileError::Unreadable { .. }),
            "{itself}"
        );

        // Of what is no key the mode does not matter.
        let file = directory.file("text", "hello", 0o644);
        let error = IdentityError::NoKey;
        let expected = IdentityFileError::Malformed {
            file: file.clone(),
            error,
        };
        assert_eq!(load_identity(file).unwrap_err(), expected);

        let largest = directory.file("largest", vec![b'\n'; FILE_BYTES_MAX], 0o600);
        let error = load_identity(largest).unwrap_err();
        assert!(
            matches!(error, IdentityFileError::Malformed { .. }),
            "{error}"
        );
        let file = directory.file("film", vec![b'\n'; FILE_BYTES_MAX + 1], 0o600);
        let expected = IdentityFileError::TooLarge { file: file.clone() };
        assert_eq!(load_identity(file).unwrap_err(), expected);
        let endless = load_identity("/dev/zero").unwrap_err();
        assert!(matches!(endless, IdentityFileError::TooLarge { .. }));
    }

    #[test]
    fn a_pipe_is_refused_and_not_waited_for() {
        let directory = Directory::new("pipe");
        let pipe = directory.0.join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || tell.send(load_identity(pipe)));
        let read = told.recv_timeout(std::time::Duration::from_secs(60));
        let error = read.unwrap().unwrap_err();
        let kind = io::ErrorKind::InvalidInput;
        assert!(
            matches!(error, IdentityFileError::Unreadable { kind: of, .. } if of == kind),
            "{error}"
        );
    }

    #[test]
    fn a_certified_identity_is_read_from_two_files_and_only_its_key_must_be_private() {
        let directory = Directory::new("certified");
        let identity = Identity::from_secret([7; 32]);
        let chain = directory.file("a.crt", identity.certificates_pem(), 0o644);
        let key = directory.file("a.key", identity.to_pem().as_bytes(), 0o600);
        let read = load_certified_identity(&chain, &key).unwrap();
        assert_eq!(read.key(), identity.key());

        let shared = directory.file("b.key", identity.to_pem().as_bytes(), 0o644);
        assert_eq!(
            load_certified_identity(&chain, &shared).unwrap_err(),
            IdentityFileError::NotPrivate { file: shared }
        );
        let other = Identity::from_secret([8; 32]).to_pem();
        let file = directory.file("c.key", other.as_bytes(), 0o600);
        assert_eq!(
            load_certified_identity(&chain, &file).unwrap_err(),
            IdentityFileError::Malformed {
                file,
                error: IdentityError::OtherKey
            }
        );
    }
}
