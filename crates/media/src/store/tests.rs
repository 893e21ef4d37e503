//! One set of promises over both stores; S3 is a real server of its protocol, in this process.

use std::io;

use futures::stream;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder as Connection;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use uuid::Uuid;

use super::*;
use crate::S3Settings;
use crate::inspect::tests::png;

const ACCESS_KEY: &str = "test-access-key";
const SECRET: &str = "test-secret";

fn key() -> Key {
    Key::upload(Uuid::now_v7(), Uuid::now_v7())
}

fn local() -> (TempDir, Store) {
    let folder = TempDir::new().expect("a folder");
    let local = Local::open(folder.path().join("media")).expect("writable");
    (folder, Store::Local(local))
}

/// Serves a bucket `media` that checks signatures; the server ends with the test's runtime.
async fn serve() -> (TempDir, S3Settings) {
    let folder = TempDir::new().expect("a folder");
    std::fs::create_dir(folder.path().join("media")).expect("a bucket");
    let mut service = S3ServiceBuilder::new(FileSystem::new(folder.path()).expect("a server"));
    service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET));
    let service = service.build();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let connection = Connection::new(TokioExecutor::new());
                _ = connection.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    });
    let settings = S3Settings {
        endpoint: Url::parse(&format!("http://{address}")).expect("an address"),
        bucket: "media".to_owned(),
        region: "us-east-1".to_owned(),
        access_key_id: ACCESS_KEY.into(),
        secret_access_key: SECRET.into(),
        path_style: true,
    };
    (folder, settings)
}

fn s3(settings: &S3Settings) -> Store {
    Store::S3(S3::open(settings).expect("good settings"))
}

fn chunks(count: usize, chunk: &'static [u8]) -> impl futures::Stream<Item = io::Result<Bytes>> {
    stream::iter((0..count).map(move |_| Ok(Bytes::from_static(chunk))))
}

/// What both stores promise.
async fn keeps_its_promises(store: &Store) {
    let (object, absent) = (key(), key());

    // Put, look, get, replace.
    let stored = store.put(&object, png(), "image/png").await.expect("puts");
    assert_eq!(stored.size_bytes, png().len() as u64);
    assert_eq!(stored, crate::body::measure(&png().into()).await);
    let head = store.head(&object).await.expect("looks").expect("is there");
    assert_eq!(head.size_bytes, stored.size_bytes);
    assert_eq!(head.content_type.as_deref(), Some("image/png"));
    let age = Utc::now() - head.modified_at.expect("a time");
    assert!(age.num_seconds().abs() < 60, "{age}");
    assert_eq!(store.get(&object, 1_000).await.expect("gets"), png());
    store.put(&object, "other", "text/plain").await.expect("replaces");
    assert_eq!(store.get(&object, 5).await.expect("gets exactly the limit"), "other");

    // A known hash, of nothing.
    let stored = store.put(&object, "", "text/plain").await.expect("puts nothing");
    let of_nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!((stored.size_bytes, stored.sha256_hex().as_str()), (0, of_nothing));
    assert_eq!(store.get(&object, 0).await.expect("gets nothing"), "");

    // Streams of unknown length, up to a limit.
    let large = Body::stream(chunks(40, &[7; 50_000]), 2_000_000);
    let stored = store.put(&object, large, "video/mp4").await.expect("puts a stream");
    assert_eq!(stored.size_bytes, 2_000_000);
    let read = store.get(&object, 2_000_000).await.expect("gets");
    assert_eq!(stored, crate::body::measure(&read).await);
    let error = store.get(&object, 1_999_999).await.expect_err("too large to read");
    assert!(matches!(error, Error::TooLarge { limit_bytes: 1_999_999 }), "{error}");

    // What fails half way leaves what was there.
    let longer = Body::stream(chunks(1_000, &[8; 50_000]), 100_000);
    let error = store.put(&object, longer, "video/mp4").await.expect_err("too large");
    assert!(matches!(error, Error::TooLarge { limit_bytes: 100_000 }), "{error}");
    let torn = stream::iter([Ok(Bytes::from_static(b"half")), Err("the client left")]);
    let error = store.put(&object, Body::stream(torn, 100), "a/b").await.expect_err("torn");
    assert!(matches!(error, Error::Body { .. }), "{error}");
    assert_eq!(store.get(&object, 2_000_000).await.expect("as before"), read);

    // What is not there.
    let error = store.get(&absent, 10).await.expect_err("nothing there");
    assert!(matches!(&error, Error::NotFound { key } if *key == absent), "{error}");
    assert_eq!(store.head(&absent).await.expect("looks"), None);
    store.delete(&absent).await.expect("nothing to delete is no error");
    store.delete(&object).await.expect("deletes");
    assert_eq!(store.head(&object).await.expect("looks"), None);
}

#[tokio::test]
async fn a_folder_keeps_its_promises() {
    let (folder, store) = local();
    keeps_its_promises(&store).await;
    assert_eq!(store.presign_put(&key(), "image/png", Duration::from_secs(60)), None);
    assert_eq!(store.presign_get(&key(), Duration::from_secs(60)), None);
    let left = std::fs::read_dir(folder.path().join("media")).expect("the folder");
    let left: Vec<_> = left.map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(left, ["org"], "no unfinished file is left behind");
}

#[tokio::test]
async fn a_bucket_keeps_its_promises() {
    let (_folder, settings) = serve().await;
    keeps_its_promises(&s3(&settings)).await;
}

#[tokio::test]
async fn a_path_that_is_a_folder_or_leads_through_a_file_is_not_found() {
    let (_folder, store) = local();
    store.put(&"org/file".parse().expect("a key"), "x", "text/plain").await.expect("puts");
    for text in ["org", "org/file/below"] {
        let key: Key = text.parse().expect("a key");
        let error = store.get(&key, 10).await.expect_err(text);
        assert!(matches!(error, Error::NotFound { .. }), "{error}");
        assert_eq!(store.head(&key).await.expect("looks"), None);
        store.delete(&key).await.expect("nothing to delete");
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_told_at_the_start() {
    let error = Local::open("/proc/no/such").expect_err("not writable").to_string();
    assert!(error.contains("/proc/no/such cannot be written to"), "{error}");
}

#[tokio::test]
async fn whoever_holds_a_presigned_address_puts_and_gets_without_a_key() {
    let (_folder, settings) = serve().await;
    let (store, key, client) = (s3(&settings), key(), reqwest::Client::new());
    let minute = Duration::from_secs(60);
    let upload = store.presign_put(&key, "image/png", minute).expect("S3 presigns");
    assert_eq!(upload.headers, [("content-type".to_owned(), "image/png".to_owned())]);
    assert!((upload.expires_at - Utc::now()).num_seconds() <= 60);
    assert!(!format!("{upload:?}").contains("Signature"), "{upload:?}");

    let request = client.put(upload.url.clone()).header("content-type", "text/html");
    let status = request.body(png()).send().await.expect("answers").status();
    assert_eq!(status, 403, "another type than was signed");

    let mut request = client.put(upload.url);
    for (name, value) in upload.headers {
        request = request.header(name, value);
    }
    let status = request.body(png()).send().await.expect("answers").status();
    assert!(status.is_success(), "{status}");
    let head = store.head(&key).await.expect("looks").expect("is there");
    assert_eq!(head.content_type.as_deref(), Some("image/png"));

    let download = store.presign_get(&key, minute).expect("S3 presigns");
    let answer = client.get(download.url.clone()).send().await.expect("answers");
    assert_eq!(answer.bytes().await.expect("a body"), png());
    let mut altered = download.url;
    altered.set_path(&altered.path().replace("uploads", "generated"));
    let status = client.get(altered).send().await.expect("answers").status();
    assert_eq!(status, 403, "another object than was signed");
}

#[tokio::test]
async fn a_wrong_secret_is_refused_and_shown_nowhere() {
    let (_folder, mut settings) = serve().await;
    settings.secret_access_key = "not-the-secret".into();
    let store = s3(&settings);
    let error = store.put(&key(), png(), "image/png").await.expect_err("refused");
    let said = format!("{error} {error:?} {store:?} {settings:?}");
    assert!(
        matches!(&error, Error::Refused { status: 403, code, .. } if code == "SignatureDoesNotMatch"),
        "{said}"
    );
    assert!(!said.contains("not-the-secret") && !said.contains("X-Amz"), "{said}");
    for refused in [
        store.get(&key(), 10).await.map(|_| ()),
        store.head(&key()).await.map(|_| ()),
        store.delete(&key()).await,
    ] {
        let error = refused.expect_err("refused");
        assert!(matches!(error, Error::Refused { status: 403, .. }), "{error}");
    }
}

/// What reading an object says when the server gives this answer, word for word.
async fn when_answered(mut settings: S3Settings, answer: &'static str) -> Error {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    settings.endpoint = Url::parse(&format!("http://{address}")).expect("an address");
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("a client");
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            assert_ne!(socket.read_buf(&mut request).await.expect("a request"), 0);
        }
        socket.write_all(answer.as_bytes()).await.expect("a client");
    });
    let error = s3(&settings).get(&key(), 10).await.expect_err(answer);
    server.await.expect("asked once");
    error
}

#[tokio::test]
async fn each_answer_falls_into_the_class_of_what_to_do() {
    let (_folder, settings) = serve().await;
    let when = |answer| when_answered(settings.clone(), answer);

    let error = when(
        "HTTP/1.1 404 Not Found\r\ncontent-length: 40\r\n\r\n\
         <Error><Code>NoSuchBucket</Code></Error>",
    );
    let error = error.await;
    assert!(matches!(&error, Error::Refused { code, .. } if code == "NoSuchBucket"), "{error}");

    let error = when("HTTP/1.1 301 Moved\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n").await;
    assert!(matches!(error, Error::Refused { status: 301, .. }), "another region: {error}");

    for answer in [
        "HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ncut",
        "nonsense\r\n\r\n",
    ] {
        let error = when(answer).await;
        assert!(matches!(error, Error::Unavailable { .. }), "{answer}: {error}");
        assert!(!format!("{error:?}").contains("X-Amz"), "{error:?}");
    }

    let endless = when("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nmore than ten bytes").await;
    assert!(matches!(endless, Error::TooLarge { limit_bytes: 10 }), "{endless}");
}

#[tokio::test]
async fn a_server_that_is_away_is_unavailable_and_its_address_stays_unsaid() {
    let (_folder, mut settings) = serve().await;
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = free.local_addr().expect("bound");
    drop(free);
    settings.endpoint = Url::parse(&format!("http://{address}")).expect("an address");
    let error = s3(&settings).get(&key(), 10).await.expect_err("nobody there");
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    assert!(!format!("{error:?}").contains("X-Amz"), "{error:?}");
}

#[test]
fn an_endpoint_that_makes_no_address_is_a_setting_to_correct() {
    let settings = S3Settings {
        endpoint: Url::parse("ftp://127.0.0.1").expect("a URL"),
        bucket: "media".to_owned(),
        region: "us-east-1".to_owned(),
        access_key_id: ACCESS_KEY.into(),
        secret_access_key: SECRET.into(),
        path_style: true,
    };
    let error = S3::open(&settings).expect_err("no HTTP").to_string();
    assert!(error.contains("endpoint and bucket"), "{error}");
}
