// The page is complete without this. With it, a change arrives without a reload: the server says that there is one, the
// page fetches itself, and what differs is put in place, so that focus, scrolling and selection stay where they are.
"use strict";

const EVENTS = document.currentScript.dataset.events;
const RETRY_MS = 10_000;
// Pages of what does not change by itself say so: they are asked for once.
const STANDS_STILL = document.body.dataset.live === "off";

function say(link) {
  document.documentElement.dataset.link = link;
}

function syncAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) {
    // What a reader has opened stays open.
    if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
}

function alike(old, fresh) {
  return old.nodeType === fresh.nodeType && old.nodeName === fresh.nodeName && (old.id || "") === (fresh.id || "");
}

function sync(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.nodeValue = fresh.nodeValue;
    return;
  }
  syncAttributes(old, fresh);
  let at = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    let match = at;
    if (child.id) match = [...old.children].find((one) => one.id === child.id);
    if (match && alike(match, child)) {
      if (match === at) at = at.nextSibling;
      else old.insertBefore(match, at);
      sync(match, child);
    } else {
      old.insertBefore(document.importNode(child, true), at);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

let fetching = false;
let again = false;

async function refresh() {
  if (fetching) {
    again = true;
    return;
  }
  fetching = true;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.title = fresh.title;
    const focused = document.activeElement;
    sync(document.body, fresh.body);
    // What was moved in the document has lost it.
    if (focused.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true });
    say("live");
  } catch {
    say("lost");
  }
  fetching = false;
  if (again) {
    again = false;
    refresh();
  }
}

function listen() {
  const source = new EventSource(EVENTS);
  source.addEventListener("change", refresh);
  source.onerror = () => {
    say("lost");
    // The browser tries again by itself, unless the server refused.
    if (source.readyState === EventSource.CLOSED) {
      setTimeout(() => {
        refresh();
        listen();
      }, RETRY_MS);
    }
  };
}

if (!STANDS_STILL) listen();
