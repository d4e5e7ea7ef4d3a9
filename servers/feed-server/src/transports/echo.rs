//! Everything a WebSocket client says is said back to it: how the suites of others try `ws.rs`, and only there with `--echo`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use feed::After;
use http::{HeaderMap, Method, Version};

use super::ws;
use crate::app::App;
use crate::config::Config;
use crate::fanout::Form;
use crate::guards::grants::Pass;
use crate::guards::topics::Topic;
use crate::refusal::Refusal;
use crate::session::Session;
use crate::stats::{Kind, Meter};
use crate::takeover::Takeover;

/// Where it lives, if anywhere.
pub(crate) fn routes(config: &Config) -> Router<Arc<App>> {
    if config.echo { Router::new().route("/echo", get(open)) } else { Router::new() }
}

/// Accepts whoever shakes hands, as a reader of a topic on which nothing need ever come, and does not greet them.
async fn open(
    State(app): State<Arc<App>>,
    Extension(meter): Extension<Arc<Meter>>,
    method: Method,
    version: Version,
    headers: HeaderMap,
    pass: Option<Extension<Pass>>,
) -> Result<Response, Refusal> {
    meter.label(Kind::Ws);
    let accept = ws::shake_hands(&method, version, &headers)?;
    let after = After::default();
    let topic = Topic::new("echo".parse().expect("it is a name"), pass.map(|Extension(pass)| pass));
    let log = topic.log(&app, after).await?;
    Ok(Takeover::response(move |socket| {
        let start = log.start(after);
        let mut session = Session::new(socket, log, start.cursor, Form::Frames, app.config.write_timeout);
        session.send(ws::head(accept));
        ws::deliver(session, app, topic, true)
    }))
}
