"use strict";
// Every page works without this script. It makes some things nicer: times in the reader's zone,
// pages that follow by themselves, a word while something is tried, a server that is found without
// sending the form, and a file that stays chosen while it is checked.
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
    const both = Math.min(was.length, is.length);
    const alike = was.slice(0, both)
      .every((node, at) => node.nodeType === is[at].nodeType && node.nodeName === is[at].nodeName);
    // Of a table that grows the rows that were there stay, and with them what is focused.
    if (!alike || (was.length !== is.length && old.tagName !== "TBODY")) {
      old.replaceChildren(...is);
      return;
    }
    was.slice(0, both).forEach((node, at) => {
      if (node.nodeType === Node.TEXT_NODE) {
        if (node.data !== is[at].data) node.data = is[at].data;
      } else if (node.nodeType === Node.ELEMENT_NODE) {
        adopt(node, is[at]);
      }
    });
    was.slice(both).forEach((node) => node.remove());
    old.append(...is.slice(both));
  };

  // Loads the page once more and takes over its live parts; whether that was possible.
  const refresh = async () => {
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
    if (!answer.ok) return false;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    localTimes(fresh);
    for (const part of document.querySelectorAll("[data-live]")) {
      const next = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
      if (next) adopt(part, next);
    }
    document.title = fresh.title;
    return true;
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
          if (await refresh()) final = Boolean(document.querySelector("[data-final]"));
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

  // Asks how a project stands, and shows it where anything is different.
  const poll = async (address, empty) => {
    let known = "";
    for (;;) {
      await new Promise((done) => setTimeout(done, 2500));
      if (document.hidden) continue;
      try {
        const answer = await fetch(address, { headers: { accept: "application/json" }, cache: "no-store" });
        if (answer.status === 401) {
          // Logged out elsewhere: the page leads to the way in.
          location.reload();
          return;
        }
        if (!answer.ok) continue;
        const told = await answer.json();
        if (empty && told.totals.migrations > 0) {
          location.reload();
          return;
        }
        const now = JSON.stringify({ ...told, now: null });
        if (now !== known && await refresh()) known = now;
      } catch {
        // The line is down; perhaps the next time.
      }
    }
  };

  // Checks a file without leaving the page, so that it stays chosen.
  const check = async (form, submitter) => {
    const word = form.querySelector(".busy");
    const buttons = form.querySelectorAll("button");
    const result = document.getElementById(form.dataset.check);
    word.textContent = form.dataset.busy;
    for (const button of buttons) button.setAttribute("aria-disabled", "true");
    form.dataset.sent = "true";
    try {
      // Not `form.action`: that is the buttons of this name.
      const answer = await fetch(form.getAttribute("action"), { method: "POST", body: new FormData(form, submitter) });
      if (answer.status === 401) {
        location.reload();
        return;
      }
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const found = fresh.getElementById(form.dataset.check);
      result.replaceChildren(...(found || fresh.querySelector("main")).childNodes);
      for (const again of result.querySelectorAll(".again")) again.remove();
      result.focus();
      result.scrollIntoView({ block: "nearest" });
    } catch {
      // The line is down: the browser says so itself when it sends the form.
      delete form.dataset.sent;
      form.removeAttribute("data-check");
      form.requestSubmit(submitter);
      return;
    }
    word.textContent = "";
    for (const button of buttons) button.removeAttribute("aria-disabled");
    delete form.dataset.sent;
  };

  localTimes(document);

  const project = document.querySelector("[data-poll]");
  if (project) poll(project.dataset.poll, "empty" in project.dataset);

  const tracking = document.querySelector("[data-events]");
  if (tracking && "EventSource" in window) follow(tracking);

  for (const form of document.querySelectorAll("form[data-busy]")) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.check && event.submitter?.value !== "add" && !form.dataset.sent) {
        event.preventDefault();
        check(form, event.submitter);
        return;
      }
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
