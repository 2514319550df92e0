//! A company's own update server: the packed extension and the document that points to it.

use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::{Context, Result};

use crate::browser::EXTENSION_ID;

/// The running server. Dropping it stops it.
pub struct UpdateServer {
    url: String,
    handle: ServerHandle,
}

impl UpdateServer {
    /// Offers a package of a version.
    ///
    /// # Errors
    /// When the package cannot be read or no port is free.
    pub fn start(package: &Path, version: &str) -> Result<UpdateServer> {
        let crx = std::fs::read(package).with_context(|| {
            format!("cannot read {}; run `cargo xtask package` first", package.display())
        })?;
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let origin = format!("http://{}", listener.local_addr()?);
        let document = format!(
            "<?xml version='1.0' encoding='UTF-8'?>
<gupdate xmlns='http://www.google.com/update2/response' protocol='2.0'>
  <app appid='{EXTENSION_ID}'>
    <updatecheck codebase='{origin}/rollcall.crx' version='{version}' />
  </app>
</gupdate>
"
        );
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = HttpServer::new(move || {
                    let (document, crx) = (document.clone(), web::Bytes::from(crx.clone()));
                    App::new()
                        .route("/updates.xml", web::get().to(move || xml(document.clone())))
                        .route("/rollcall.crx", web::get().to(move || package_of(crx.clone())))
                })
                .workers(1)
                .disable_signals()
                .listen(listener)?
                .run();
                // Nobody waits for the handle of a server that nobody started.
                let _ = sender.send(server.handle());
                server.await
            })
        });
        let handle = receiver.recv().context("the update server did not start")?;
        Ok(UpdateServer { url: format!("{origin}/updates.xml"), handle })
    }

    /// What a policy names.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for UpdateServer {
    fn drop(&mut self) {
        // Sending the command is enough; the server's thread ends by itself.
        drop(self.handle.stop(false));
    }
}

async fn xml(document: String) -> HttpResponse {
    HttpResponse::Ok().content_type("text/xml").body(document)
}

async fn package_of(crx: web::Bytes) -> HttpResponse {
    HttpResponse::Ok().content_type("application/x-chrome-extension").body(crx)
}
