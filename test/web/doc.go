// Package web drives a headless Chromium: it opens pages, waits for what they show, clicks and types as a person does, takes screenshots,
// and keeps what a page said on its console and asked of the network. It knows the DevTools protocol and nothing of the page.
//
// Tests that use it run with the build tag web, for which ./dev test installs Chromium.
package web
