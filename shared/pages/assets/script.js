"use strict";
// Every page works without this script. It makes four things nicer: times in the reader's zone,
// a tracking page that follows by itself, a word while both log-ins are tried, and a server that is
// found without sending the form.
(() => {
  const language = document.documentElement.lang;
  const day = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });

  const localTimes = (root) => {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      if (!Number.isNaN(at.getTime())) {
        time.title = time.textContent;
        time.textContent = day.format(at);
      }
    }
  };

  // Takes over what changed of a part, and leaves alone what did not: an open form keeps what is
  // being typed, a bar moves instead of being drawn again.
  const adopt = (old, fresh) => {
    for (const { name, value } of [...fresh.attributes]) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name) && !(name === "open" && old.tagName === "DETAILS")) old.removeAttribute(name);
    }
    const was = [...old.childNodes];
    const is = [...fresh.childNodes];
    const alike = was.length === is.length &&
      was.every((node, at) => node.nodeType === is[at].nodeType && node.nodeName === is[at].nodeName);
    if (!alike) {
      old.replaceChildren(...is);
      return;
    }
    was.forEach((node, at) => {
      if (node.nodeType === Node.TEXT_NODE) {
        if (node.data !== is[at].data) node.data = is[at].data;
      } else if (node.nodeType === Node.ELEMENT_NODE) {
        adopt(node, is[at]);
      }
    });
  };

  const follow = (tracking) => {
    let loading = false;
    let again = false;
    let final = false;
    const events = new EventSource(tracking.dataset.events);
    const load = async () => {
      if (loading) {
        again = true;
        return;
      }
      loading = true;
      do {
        again = false;
        try {
          const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
          if (answer.ok) {
            const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
            localTimes(fresh);
            for (const part of document.querySelectorAll("[data-live]")) {
              const next = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
              if (next) adopt(part, next);
            }
            document.title = fresh.title;
            final = Boolean(document.querySelector("[data-final]"));
          }
        } catch {
          // The line is down: the browser connects to the events again by itself.
        }
        // At most two loads a second, however fast the migration goes.
        await new Promise((done) => setTimeout(done, 500));
      } while (again && !final);
      loading = false;
      if (final) events.close();
    };
    events.addEventListener("message", load);
  };

  localTimes(document);

  const tracking = document.querySelector("[data-events]");
  if (tracking && "EventSource" in window) follow(tracking);

  for (const form of document.querySelectorAll("form[data-busy]")) {
    form.addEventListener("submit", (event) => {
      const word = form.querySelector(".busy");
      if (word) word.textContent = form.dataset.busy;
      for (const button of form.querySelectorAll("button")) button.setAttribute("aria-disabled", "true");
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = "true";
    });
  }

  // Finds a server without sending the form, so that what was typed stays, passwords too.
  const detect = async (place) => {
    const said = place.querySelector("[role=status]");
    const field = (name) => document.getElementById(`${place.dataset.detect}-${name}`);
    const words = place.dataset;
    said.textContent = words.wait;
    let found = null;
    try {
      const address = encodeURIComponent(field("login").value.trim());
      const answer = await fetch(`/api/v1/autodetect?address=${address}`, { cache: "no-store" });
      found = answer.ok || answer.status === 422 ? await answer.json() : null;
    } catch {
      // The line is down; the person is told below.
    }
    const type = field("type");
    const offered = (one) => [...type.options].some((option) => option.value === one.type);
    const one = found?.candidates?.find(offered);
    const parts = [];
    if (one) {
      type.value = one.type;
      field("url").value = one.url;
      parts.push(one.provider ? words.known.replace("{name}", one.provider) : words.found);
    } else {
      parts.push(found && found.complete !== false ? words.nothing : words.failed);
    }
    const hint = (one ?? found)?.hint_code;
    const sentence = hint && document.getElementById("hints")?.content.querySelector(`[data-hint="${CSS.escape(hint)}"]`);
    if (sentence) parts.push(sentence.textContent);
    said.textContent = parts.join(" ");
    if (one?.app_password_url) {
      const link = document.createElement("a");
      link.href = one.app_password_url;
      link.target = "_blank";
      link.rel = "noreferrer";
      link.textContent = words.link;
      said.append(" ", link);
    }
  };

  for (const place of document.querySelectorAll("[data-detect]")) {
    place.querySelector("button").addEventListener("click", (event) => {
      event.preventDefault();
      detect(place);
    });
  }

  for (const button of document.querySelectorAll("button[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => print());
  }

  const errors = document.getElementById("errors");
  if (errors) errors.focus();
})();
