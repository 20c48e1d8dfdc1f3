//! Tables at a distance: a real S3 server, which also serves plain HTTP.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{jumeau, root};

/// A server over a folder, ended when it is dropped.
pub(crate) struct Server {
    process: Child,
    port: u16,
}

impl Server {
    pub(crate) fn start(folder: &Path) -> Self {
        // A port that was free a moment ago; the server cannot choose one itself.
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let process = Command::new(crate::tools::s3_server())
            .args([
                "--host",
                "127.0.0.1",
                "--access-key",
                "test",
                "--secret-key",
                "secret",
            ])
            .args(["--port", &port.to_string()])
            .arg(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { process, port };
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "the S3 server does not answer");
            std::thread::yield_now();
        }
        server
    }

    /// Tells a command how to reach the server.
    pub(crate) fn known<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("AWS_ENDPOINT", format!("http://127.0.0.1:{}", self.port))
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_REGION", "eu-west-1")
    }

    fn query(&self, folder: &Path, sql: &str) -> (Option<i32>, String, String) {
        let output = self
            .known(&mut jumeau(folder))
            .args(["query", sql, "--format", "csv"])
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn bucket() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("lake/shop");
    for day in ["2026-01-01", "2026-01-02"] {
        let part = data.join(format!("clicks/day={day}"));
        std::fs::create_dir_all(&part).unwrap();
        std::fs::write(part.join("part.csv"), "id\n1\n2\n").unwrap();
    }
    std::fs::copy(
        root().join("data/products.parquet"),
        data.join("products.parquet"),
    )
    .unwrap();
    folder
}

#[test]
fn s3_files_folders_and_partitions_are_tables() {
    let bucket = bucket();
    let server = Server::start(bucket.path());
    let project = tempfile::tempdir().unwrap();
    let text = "[tables.products]\npath = \"s3://lake/shop/products.parquet\"\n[tables.clicks]\n\
                path = \"s3://lake/shop/clicks/\"\n\
                partitioned_by = [{ name = \"day\", type = \"DATE\" }]\n";
    std::fs::write(project.path().join("jumeau.toml"), text).unwrap();

    let (code, rows, error) = server.query(
        project.path(),
        "SELECT count(*) AS products, min(price) > 0 AS priced FROM products",
    );
    assert_eq!(
        (code, rows.as_str()),
        (Some(0), "products,priced\n300,true\n"),
        "{error}"
    );

    let (code, rows, error) = server.query(
        project.path(),
        "SELECT day, sum(id) AS n FROM clicks WHERE day > DATE '2026-01-01' GROUP BY day",
    );
    assert_eq!(
        (code, rows.as_str()),
        (Some(0), "day,n\n2026-01-02,3\n"),
        "{error}"
    );

    let (code, rows, error) = server.query(
        project.path(),
        "SELECT count(*) AS n FROM 's3://lake/shop/products.parquet'",
    );
    assert_eq!((code, rows.as_str()), (Some(0), "n\n300\n"), "{error}");

    let (code, _, error) = server.query(
        project.path(),
        "SELECT * FROM 's3://lake/shop/nothing.parquet'",
    );
    assert_eq!(code, Some(1));
    assert!(error.contains("s3://lake/shop/nothing.parquet"), "{error}");
}

#[test]
fn http_files_are_tables() {
    let bytes = std::fs::read(root().join("data/products.parquet")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let bytes = bytes.clone();
            std::thread::spawn(move || serve(stream, "/products.parquet", &bytes));
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let run = |path: &str| {
        let url = format!("http://127.0.0.1:{port}/{path}");
        let sql = format!("SELECT count(*) AS n, count(DISTINCT brand) > 1 AS b FROM '{url}'");
        jumeau(folder.path())
            .args(["query", &sql, "--format", "csv"])
            .output()
            .unwrap()
    };
    let output = run("products.parquet");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "n,b\n300,true\n",
        "{error}"
    );
    let output = run("missing.parquet");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("missing.parquet"));
}

/// Answers HEAD and GET with ranges, one connection: as much of HTTP as any file server has.
pub(crate) fn serve(stream: TcpStream, path: &str, bytes: &[u8]) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut request = String::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if line == "\r\n" {
                break;
            }
            request.push_str(&line.to_ascii_lowercase());
        }
        let found = request.contains(&format!(" {path} "));
        let range = request.split("range: bytes=").nth(1).and_then(|rest| {
            let (start, end) = rest.split("\r\n").next()?.split_once('-')?;
            let end = end.parse::<usize>().map_or(bytes.len(), |end| end + 1);
            match start.parse::<usize>() {
                Ok(start) => Some(start..end.min(bytes.len())),
                // `-n` asks for the last n bytes.
                Err(_) => Some(bytes.len() - (end - 1)..bytes.len()),
            }
        });
        let (status, body) = match (found, range) {
            (false, _) => ("404 Not Found".to_owned(), &[][..]),
            (true, None) => ("200 OK".to_owned(), bytes),
            (true, Some(range)) => (
                format!(
                    "206 Partial Content\r\nContent-Range: bytes {}-{}/{}",
                    range.start,
                    range.end - 1,
                    bytes.len()
                ),
                &bytes[range],
            ),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nAccept-Ranges: bytes\r\nETag: \"1\"\r\n\
             Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let body = if request.starts_with("head") {
            &[][..]
        } else {
            body
        };
        let stream = reader.get_mut();
        if stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(body))
            .is_err()
        {
            return;
        }
    }
}
