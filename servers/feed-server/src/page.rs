//! The teaching page: the four transports side by side in a browser.

use axum::response::Html;

/// The page, self-contained.
pub(crate) async fn page() -> Html<&'static str> {
    Html(include_str!("../page/index.html"))
}
