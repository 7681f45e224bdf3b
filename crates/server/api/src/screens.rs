//! Pictures of screens, shared by all who look: each machine is asked for one a second at most, however many look. Kept
//! for two seconds, and nowhere else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hostler_model::{Refusal, VmId};
use ring::digest::{SHA256, digest};

use crate::problem::Problem;
use crate::tagged;
use crate::tokens::hex;

/// How long a picture, or the reason why there is none, is the newest.
const NEW: Duration = Duration::from_secs(1);
/// How long one is kept that nobody asks for.
const KEPT: Duration = Duration::from_secs(2);
/// How wide pictures are made: few widths, so that lookers share them.
const WIDTHS: [u32; 9] = [80, 160, 240, 320, 480, 640, 960, 1_280, 1_920];

/// A picture, and what tells it from others.
#[derive(Clone)]
pub(crate) struct Screen {
    png: Bytes,
    tag: String,
}

/// What was seen last, and when; none while the first look is under way.
type Last = Arc<tokio::sync::Mutex<Option<(Instant, Result<Screen, Refusal>)>>>;

/// The newest pictures, by machine and width.
#[derive(Default)]
pub(crate) struct Screens(Mutex<HashMap<(VmId, Option<u32>), Last>>);

/// The widest picture that is no wider than what was asked for.
pub(crate) fn width(asked: u32) -> Result<u32, Refusal> {
    let found = WIDTHS.iter().rev().find(|width| **width <= asked);
    found.copied().ok_or_else(|| Refusal::invalid("width", format!("{asked} is less than {}", WIDTHS[0])))
}

impl Screens {
    /// The newest picture; taken now unless one was within the second.
    pub(crate) async fn newest(
        &self,
        vm: VmId,
        width: Option<u32>,
        take: impl Future<Output = Result<Vec<u8>, Refusal>>,
    ) -> Result<Screen, Refusal> {
        let last = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // One that somebody looks at is held.
            all.retain(|_, last| {
                Arc::strong_count(last) > 1
                    || last
                        .try_lock()
                        .is_ok_and(|last| last.as_ref().is_some_and(|(at, _)| at.elapsed() < KEPT))
            });
            Arc::clone(all.entry((vm, width)).or_default())
        };
        // Whoever comes while one is taken waits for that.
        let mut last = last.lock().await;
        if let Some((at, screen)) = &*last
            && at.elapsed() < NEW
        {
            return screen.clone();
        }
        let taken = take.await.map(|png| {
            let tag = format!("\"{}\"", &hex(digest(&SHA256, &png).as_ref())[..16]);
            Screen { png: png.into(), tag }
        });
        // A second counts from the taking's end: what takes long is not asked for more often.
        *last = Some((Instant::now(), taken.clone()));
        taken
    }
}

impl Screen {
    /// As an answer, or that the caller has it already.
    pub(crate) fn answer(self, asked: &HeaderMap) -> Result<Response, Problem> {
        let tag = HeaderValue::from_str(&self.tag).map_err(|cause| Problem::internal("answer", cause))?;
        let mut response = if tagged::has(asked, &self.tag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            ([(header::CONTENT_TYPE, HeaderValue::from_static("image/png"))], self.png).into_response()
        };
        let headers = response.headers_mut();
        headers.insert(header::ETAG, tag);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        // What comes out of a guest is no page of ours.
        let sandbox = HeaderValue::from_static("sandbox; default-src 'none'");
        headers.insert(header::CONTENT_SECURITY_POLICY, sandbox);
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hostler_model::Code;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test]
    async fn all_who_look_share_one_picture_a_second_and_also_why_there_is_none() {
        let (screens, taken) = (Screens::default(), AtomicU32::new(0));
        let vm = VmId(uuid::Uuid::from_u128(1));
        let take = async |width| {
            let slow = async {
                tokio::time::sleep(Duration::from_millis(30)).await;
                let number = taken.fetch_add(1, Ordering::Relaxed);
                if number == 2 {
                    Err(Refusal::new(Code::HypervisorFailed, "vm", "it is off"))
                } else {
                    Ok(vec![number as u8])
                }
            };
            screens.newest(vm, width, slow).await
        };
        let seen = tokio::join!(take(None), take(None), take(None), take(Some(160)));
        assert_eq!(taken.load(Ordering::Relaxed), 2, "one for each width");
        assert_eq!(seen.0.unwrap().png, seen.2.unwrap().png);
        tokio::time::sleep(NEW).await;
        assert!(take(None).await.is_err() && take(None).await.is_err());
        assert_eq!(taken.load(Ordering::Relaxed), 3);
        tokio::time::sleep(KEPT).await;
        assert!(take(Some(80)).await.is_ok());
        assert_eq!(screens.0.lock().unwrap().len(), 1, "what nobody looks at is dropped");
    }

    #[test]
    fn widths_are_few_and_never_more_than_asked_for() {
        let made = [80, 81, 200, 320, 5_000].map(|asked| width(asked).unwrap());
        assert_eq!(made, [80, 80, 160, 320, 1_920]);
        assert_eq!(width(79).unwrap_err().code, Code::ValueInvalid);
    }
}
