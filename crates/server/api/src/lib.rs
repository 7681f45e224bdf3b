//! REST, live feed, OpenAPI, sign-in, authorisation.
