//! Signing in, tokens, cookies.

use serde_json::json;

use crate::face::Face;

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_are_refused_alike() {
    let face = Face::new().await;
    let wrong = json!({ "user": "administrator", "password": "wrong horse" });
    let wrong = face.call("POST", "/sign-in", "", Some(wrong)).await.code(401, "access.sign.in.failed");
    let nobody = json!({ "user": "nobody", "password": "wrong horse" });
    let nobody = face.call("POST", "/sign-in", "", Some(nobody)).await.code(401, "access.sign.in.failed");
    assert_eq!(wrong.text, nobody.text);
}

#[tokio::test]
async fn guessing_is_slowed_and_told_when_to_try_again() {
    let face = Face::new().await;
    let mut slowed = None;
    for _ in 0..12 {
        let guess = json!({ "user": "Administrator", "password": "wrong horse" });
        let answer = face.call("POST", "/sign-in", "", Some(guess)).await;
        if answer.status == 429 {
            slowed = Some(answer.code(429, "too.many.requests"));
            break;
        }
    }
    let slowed = slowed.expect("nobody was slowed");
    assert!(slowed.header("retry-after").parse::<u64>().unwrap() >= 1);
    // The right password is not tried either while the delay lasts: else a guess would cost nothing.
    let file = face.dir.path().join("state/initial-password");
    let password = std::fs::read_to_string(file).unwrap();
    let right = json!({ "user": "administrator", "password": password.trim() });
    face.call("POST", "/sign-in", "", Some(right)).await.is(429);
}

#[tokio::test]
async fn a_token_is_good_until_it_is_revoked_or_runs_out_or_its_user_is_shut_out() {
    let face = Face::new().await;
    let bob = face.user("bob", "read-only").await;
    assert_eq!(face.call("GET", "/me", &bob, None).await.is(200).body["name"], "bob");
    face.call("GET", "/me", "hsa1_nonsense", None).await.code(401, "access.not.signed.in");

    let made = json!({ "name": "script" });
    let made = face.call("POST", "/tokens", &bob, Some(made)).await.is(202);
    assert_eq!(made.header("cache-control"), "no-store");
    let script = made.body["token"].as_str().unwrap().to_owned();
    face.call("GET", "/vms", &script, None).await.is(200);
    face.call("DELETE", "/tokens/script", &bob, None).await.is(202);
    face.call("GET", "/vms", &script, None).await.is(401);

    let over = json!({ "name": "over", "expires": "2020-01-01T00:00:00Z" });
    let over = face.call("POST", "/tokens", &bob, Some(over)).await;
    if over.status == 202 {
        let over = over.body["token"].as_str().unwrap().to_owned();
        face.call("GET", "/vms", &over, None).await.is(401);
    }

    face.admin("PATCH", "/users/bob", Some(json!({ "disabled": true }))).await.is(202);
    face.call("GET", "/me", &bob, None).await.is(401);
    let again = json!({ "user": "bob", "password": "correct horse" });
    face.call("POST", "/sign-in", "", Some(again)).await.is(401);
}

#[tokio::test]
async fn signing_out_ends_the_session_and_no_other() {
    let face = Face::new().await;
    let one = face.user("bob", "read-only").await;
    let other = face.sign_in("bob", "correct horse").await;
    face.call("POST", "/sign-out", &one, None).await.is(204);
    face.call("GET", "/me", &one, None).await.is(401);
    face.call("GET", "/me", &other, None).await.is(200);
}

#[tokio::test]
async fn a_password_is_changed_by_who_knows_it() {
    let face = Face::new().await;
    let bob = face.user("bob", "read-only").await;
    let wrong = json!({ "current": "wrong horse", "new": "battery staple" });
    face.call("PUT", "/me/password", &bob, Some(wrong)).await.code(401, "access.sign.in.failed");
    let short = json!({ "current": "correct horse", "new": "short" });
    face.call("PUT", "/me/password", &bob, Some(short)).await.code(422, "value.invalid");
    let right = json!({ "current": "correct horse", "new": "battery staple" });
    face.call("PUT", "/me/password", &bob, Some(right)).await.is(202);
    face.call("GET", "/me", &bob, None).await.is(401);
    face.sign_in("bob", "battery staple").await;
}

#[tokio::test]
async fn a_change_by_cookie_needs_our_own_page_and_looking_does_not() {
    let face = Face::new().await;
    face.user("bob", "administrator").await;
    let body = json!({ "user": "bob", "password": "correct horse", "cookie": true });
    let answer = face.call("POST", "/sign-in", "", Some(body)).await.is(200);
    assert!(answer.body.get("token").is_none(), "a script in the page must not get it");
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.starts_with("__Host-hostler="));
    for word in ["Secure", "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(word), "{cookie}");
    }
    let cookie = format!("other=1; {}", cookie.split(';').next().unwrap());
    let base = [("cookie", cookie.as_str()), ("host", "localhost:8470")];
    face.send("GET", "/vms", &base, Vec::new()).await.is(200);

    let change = async |more: &[(&str, &str)]| {
        let mut headers = base.to_vec();
        headers.push(("content-type", "application/json"));
        headers.extend_from_slice(more);
        face.send("PUT", "/settings", &headers, b"{\"history_days\":30}".to_vec()).await
    };
    let csrf = ("x-hostler-csrf", "1");
    change(&[]).await.code(403, "access.forbidden");
    change(&[csrf]).await.is(403);
    change(&[("origin", "https://localhost:8470")]).await.is(403);
    change(&[csrf, ("origin", "https://evil.example")]).await.is(403);
    change(&[csrf, ("origin", "https://localhost:9999")]).await.is(403);
    change(&[csrf, ("origin", "http://localhost:8470")]).await.is(403);
    change(&[csrf, ("origin", "null")]).await.is(403);
    change(&[csrf, ("origin", "https://localhost:8470")]).await.is(202);
}

#[tokio::test]
async fn tokens_of_others_are_for_administrators() {
    let face = Face::new().await;
    let bob = face.user("bob", "read-only").await;
    face.call("POST", "/tokens", &bob, Some(json!({ "name": "script" }))).await.is(202);
    let own = face.call("GET", "/tokens?filter=session=false", &bob, None).await.is(200);
    assert_eq!(own.body["items"][0]["name"], "script");
    face.call("GET", "/tokens?user=administrator", &bob, None).await.code(404, "object.not.found");
    face.call("GET", "/tokens?user=nobody", &bob, None).await.code(404, "object.not.found");
    let others = face.admin("GET", "/tokens?user=bob&filter=name=script", None).await.is(200);
    assert_eq!(others.body["total"], 1);
    let mine = face.admin("POST", "/tokens", Some(json!({ "name": "mine" }))).await.is(202);
    let id = mine.body["id"].as_str().unwrap();
    face.call("DELETE", &format!("/tokens/{id}"), &bob, None).await.code(404, "object.not.found");
}
