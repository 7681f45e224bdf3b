//! Which right each route needs. A route enters the router by [`Routes::add`] alone, which takes its right; what is in
//! the router and not in the table is answered to nobody.

use std::collections::BTreeMap;

use axum::Router;
use axum::http::Method;
use hostler_model::access::Right;
use utoipa::openapi::path::{HttpMethod, PathItem};
use utoipa::openapi::{OpenApi, OpenApiBuilder};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use crate::app::App;

/// Why the routes cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// A route says of itself twice what it needs.
    #[error("{method} {path} is declared twice")]
    Twice {
        /// Its method.
        method: String,
        /// Its path.
        path: String,
    },
    /// A route does not say what it needs.
    #[error("{method} {path} has no declared right")]
    NoRight {
        /// Its method.
        method: String,
        /// Its path.
        path: String,
    },
    /// The description could not be written.
    #[error("the OpenAPI document cannot be written: {0}")]
    Document(#[from] serde_json::Error),
}

/// A route with the right it needs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouteRight {
    /// Its path, parameters in braces.
    pub path: String,
    /// Its method.
    pub method: String,
    /// What it needs.
    pub right: Right,
}

/// The right of each method of each path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table(BTreeMap<String, BTreeMap<String, Right>>);

/// What the table says of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// This right.
    Right(Right),
    /// The path takes other methods, which are these.
    OtherMethod(String),
    /// Nobody declared it: nobody gets it.
    Nobody,
}

impl Table {
    /// What a request to a path of the router needs.
    pub(crate) fn needs(&self, path: &str, method: &Method) -> Needs {
        let Some(methods) = self.0.get(path) else { return Needs::Nobody };
        let asked = if method == Method::HEAD { "GET" } else { method.as_str() };
        match methods.get(asked) {
            Some(right) => Needs::Right(*right),
            None => Needs::OtherMethod(methods.keys().map(String::as_str).collect::<Vec<_>>().join(", ")),
        }
    }

    pub(crate) fn right(&self, path: &str, method: &str) -> Option<Right> {
        self.0.get(path)?.get(method).copied()
    }

    pub(crate) fn list(&self) -> Vec<RouteRight> {
        let all = self.0.iter().flat_map(|(path, methods)| {
            methods.iter().map(|(method, right)| RouteRight {
                path: path.clone(),
                method: method.clone(),
                right: *right,
            })
        });
        all.collect()
    }
}

/// Routes with their rights, as they are gathered.
pub(crate) struct Routes {
    router: OpenApiRouter<App>,
    prefix: &'static str,
    table: Result<Table, RouteError>,
}

impl Routes {
    pub(crate) fn new() -> Self {
        let router = OpenApiRouter::with_openapi(OpenApiBuilder::new().build());
        Self { router, prefix: "", table: Ok(Table::default()) }
    }

    /// From here on, paths are below this one.
    pub(crate) fn below(mut self, prefix: &'static str) -> Self {
        self.prefix = prefix;
        self
    }

    /// Adds a route with the right it needs.
    pub(crate) fn add(mut self, right: Right, (schemas, paths, methods): UtoipaMethodRouter<App>) -> Self {
        let mut prefixed = utoipa::openapi::path::Paths::new();
        for (path, item) in paths.paths {
            let path = format!("{}{path}", self.prefix);
            if let Ok(table) = &mut self.table {
                for method in methods_of(&item) {
                    let method = method.to_owned();
                    if table.0.entry(path.clone()).or_default().insert(method.clone(), right).is_some() {
                        self.table = Err(RouteError::Twice { method, path });
                        return self;
                    }
                }
            }
            prefixed.paths.insert(path, item);
        }
        self.router = self.router.routes((schemas, prefixed, methods));
        self
    }

    /// Lets a group of routes add itself.
    pub(crate) fn with(self, group: fn(Routes) -> Routes) -> Self {
        group(self)
    }

    /// Router, description and table, when all three agree.
    pub(crate) fn finish(self) -> Result<(Router<App>, OpenApi, Table), RouteError> {
        let table = self.table?;
        let (router, document) = self.router.split_for_parts();
        for (path, item) in &document.paths.paths {
            for method in methods_of(item) {
                if table.right(path, method).is_none() {
                    return Err(RouteError::NoRight { method: method.to_owned(), path: path.clone() });
                }
            }
        }
        Ok((router, document, table))
    }
}

/// The methods that a path is described for.
fn methods_of(item: &PathItem) -> Vec<&'static str> {
    let described = [
        (HttpMethod::Get, item.get.is_some()),
        (HttpMethod::Put, item.put.is_some()),
        (HttpMethod::Post, item.post.is_some()),
        (HttpMethod::Delete, item.delete.is_some()),
        (HttpMethod::Patch, item.patch.is_some()),
        (HttpMethod::Options, item.options.is_some()),
        (HttpMethod::Head, item.head.is_some()),
        (HttpMethod::Trace, item.trace.is_some()),
    ];
    described.into_iter().filter(|(_, is)| *is).map(|(method, _)| word(&method)).collect()
}

fn word(method: &HttpMethod) -> &'static str {
    match method {
        HttpMethod::Get => "GET",
        HttpMethod::Put => "PUT",
        HttpMethod::Post => "POST",
        HttpMethod::Delete => "DELETE",
        HttpMethod::Patch => "PATCH",
        HttpMethod::Options => "OPTIONS",
        HttpMethod::Head => "HEAD",
        HttpMethod::Trace => "TRACE",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use utoipa_axum::routes;

    /// For the test.
    #[utoipa::path(get, path = "/one", responses((status = 200)))]
    async fn one() {}

    #[test]
    fn a_route_that_bypassed_its_right_keeps_the_server_from_starting() {
        let mut routes = Routes::new().add(Right::See, routes!(one));
        if let Ok(table) = &mut routes.table {
            table.0.clear();
        }
        assert!(matches!(routes.finish(), Err(RouteError::NoRight { .. })));
    }

    #[test]
    fn a_route_is_not_declared_twice() {
        let routes = Routes::new().add(Right::See, routes!(one)).add(Right::Public, routes!(one));
        assert!(matches!(routes.finish(), Err(RouteError::Twice { .. })));
    }

    #[test]
    fn what_is_not_in_the_table_is_for_nobody() {
        assert_eq!(Table::default().needs("/one", &Method::GET), Needs::Nobody);
    }
}
