//! What a server answers to a publication, in its own words: by them a person sees whether a refusal may hide in a 2xx.

use std::rc::Rc;
use std::time::Duration;

use super::PAYLOAD;
use crate::clients::ClientError;
use crate::plan::Plan;
use crate::target::{Publishing, Target, Values, reason};
use crate::wire::{Dialer, Traffic, http};

/// Publishes once more over HTTP and returns status and body of the answer, bounded and without secrets; `None` where the target says
/// what an acceptance looks like, publishes otherwise, or does not answer within `bound`.
pub(super) async fn answer(plan: &Plan, target: &Target, bound: Duration) -> Option<String> {
    let Publishing::Http { method, request, body, accepted: None } = &target.file.publishing else { return None };
    let text = "x".repeat(PAYLOAD - 2);
    let values = Values { text: &text, ..Values::of(plan.topics[0].as_str(), plan.run, target.secret()) };
    let body = body.filled(&values);
    let length = format!("Content-Length: {}\r\n", body.len());
    let head = request.head(method, &target.prefix, &target.host, &values, &length);
    let exchange = async {
        let mut connection = Dialer::unbound(target, Rc::new(Traffic::default())).dial(0).await?;
        connection.write_all((head + &body).as_bytes()).await?;
        let answer = http::read_answer(&mut connection, &[], |head, body, _| {
            format!("{} {}", head.status, String::from_utf8_lossy(body).trim())
        });
        let answer = answer.await?;
        connection.leave().await;
        Ok::<_, ClientError>(answer)
    };
    let answer = tokio::time::timeout(bound, exchange).await.ok()?.ok()?;
    Some(reason(target.token.as_ref(), answer.trim()))
}
