//! Objects as files of a folder; for one machine, or a folder that all machines share.
//!
//! One of the two kinds of [`crate::Store`].
//!
//! **Invariant:** a file appears under its key only after all of it is on the disk.

use std::fs::Permissions;
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tempfile::{NamedTempFile, TempPath};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

use crate::body::pour;
use crate::{Body, Error, Head, Key, Stored, inspect};

/// How many bytes of a file tell its type.
const SNIFF_BYTES: u64 = 64;

/// A folder that holds objects.
#[derive(Debug, Clone)]
pub struct Local {
    folder: PathBuf,
}

impl Local {
    /// Opens the folder, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] when it cannot be made or written to.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, Error> {
        let folder = folder.into();
        let writable = std::fs::create_dir_all(&folder).and_then(|()| incoming(&folder));
        match writable {
            Ok(_) => Ok(Self { folder }),
            Err(error) => {
                let reason =
                    format!("the folder {} cannot be written to: {error}", folder.display());
                Err(Error::Settings { reason })
            }
        }
    }

    pub(crate) async fn put(&self, key: &Key, body: Body<'_>) -> Result<Stored, Error> {
        let failed = |error: io::Error| Error::unavailable("writing a file", error);
        let (file, path) = incoming(&self.folder).map_err(failed)?.into_parts();
        let mut file = File::from_std(file);
        let stored = pour(body, &mut file).await?;
        file.sync_all().await.map_err(failed)?;
        let target = self.path(key);
        let folder = self.folder.clone();
        tokio::task::spawn_blocking(move || publish(&folder, path, &target))
            .await
            .map_err(|error| failed(error.into()))?
            .map_err(failed)?;
        Ok(stored)
    }

    pub(crate) async fn get(&self, key: &Key, limit_bytes: u64) -> Result<Bytes, Error> {
        let failed = |error: io::Error| Error::unavailable("reading a file", error);
        let Some((file, size_bytes)) = self.find(key).await? else {
            return Err(Error::NotFound { key: key.clone() });
        };
        if size_bytes > limit_bytes {
            return Err(Error::TooLarge { limit_bytes });
        }
        let mut bytes = Vec::new();
        file.take(size_bytes).read_to_end(&mut bytes).await.map_err(failed)?;
        Ok(bytes.into())
    }

    pub(crate) async fn head(&self, key: &Key) -> Result<Option<Head>, Error> {
        let failed = |error: io::Error| Error::unavailable("reading a file", error);
        let Some((file, size_bytes)) = self.find(key).await? else {
            return Ok(None);
        };
        let modified = file.metadata().await.and_then(|metadata| metadata.modified());
        let mut first = Vec::new();
        file.take(SNIFF_BYTES).read_to_end(&mut first).await.map_err(failed)?;
        Ok(Some(Head {
            size_bytes,
            content_type: inspect::sniff(&first).map(|kind| kind.mime().to_owned()),
            modified_at: modified.ok().map(Into::into),
        }))
    }

    pub(crate) async fn delete(&self, key: &Key) -> Result<(), Error> {
        match tokio::fs::remove_file(self.path(key)).await {
            Err(error) if !is_absent(&error) => Err(Error::unavailable("deleting a file", error)),
            _ => Ok(()),
        }
    }

    /// The open file and its size, if there is one.
    async fn find(&self, key: &Key) -> Result<Option<(File, u64)>, Error> {
        let failed = |error: io::Error| Error::unavailable("reading a file", error);
        let file = match File::open(self.path(key)).await {
            Err(error) if is_absent(&error) => return Ok(None),
            opened => opened.map_err(failed)?,
        };
        let metadata = file.metadata().await.map_err(failed)?;
        Ok(metadata.is_file().then_some((file, metadata.len())))
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.folder.join(key.as_str())
    }
}

/// No file of that name, or a part of the path that is a file, or a folder of that name.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory)
}

/// A new file beside the objects, on the same file system, deleted unless it is published. Its
/// name begins with a dot, as no key does.
fn incoming(folder: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(".incoming-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
}

/// Gives a finished file its name, and lasts: the folders' entries are on the disk too.
fn publish(folder: &Path, path: TempPath, target: &Path) -> io::Result<()> {
    let parent = target.parent().unwrap_or(folder);
    std::fs::create_dir_all(parent)?;
    path.persist(target)?;
    for changed in parent.ancestors().take_while(|above| above.starts_with(folder)) {
        std::fs::File::open(changed)?.sync_all()?;
    }
    Ok(())
}
