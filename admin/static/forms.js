// Forms: sent once, and with a token of the session that there is. Without this script they work as well.
"use strict";

(() => {
  const say = (form, text) => {
    let line = form.querySelector(".form-says");
    if (!line) {
      line = document.createElement("p");
      line.className = "flash flash-error form-says";
      line.setAttribute("role", "alert");
      form.prepend(line);
    }
    line.textContent = text;
    line.scrollIntoView({ block: "center" });
  };

  const setSending = (form, sending) => {
    form.dataset.sending = sending ? "yes" : "";
    for (const button of form.querySelectorAll("button[type=submit]")) {
      button.disabled = sending;
    }
  };

  // The form may be older than the session: another tab logged out and in again.
  const renewToken = async (form) => {
    const answer = await fetch(location.href, { credentials: "same-origin", cache: "no-store" });
    if (answer.redirected || answer.status === 401) {
      return "Your session has ended. Log in again in another tab, then send this form once more: nothing in it is lost.";
    }
    if (!answer.ok) {
      return answer.status === 403 ? "This account may not do that." : "The server does not answer as it should: try again.";
    }
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("main input[name=csrf_token]");
    if (fresh) {
      form.querySelector("input[name=csrf_token]").value = fresh.value;
    }
    return "";
  };

  // The button that was pressed is a part of what is sent, and a form that a script sends has none.
  const carry = (form, button) => {
    form.querySelector("[data-carried]")?.remove();
    if (button?.name) {
      const field = Object.assign(document.createElement("input"), { type: "hidden", name: button.name, value: button.value });
      field.dataset.carried = "";
      form.append(field);
    }
  };

  const checkAndSend = async (form) => {
    let wrong = "The server does not answer. Nothing was sent; try again.";
    try {
      wrong = await renewToken(form);
    } catch {
      // It says so.
    }
    if (wrong) {
      setSending(form, false);
      say(form, wrong);
    } else {
      form.submit();
    }
  };

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") {
      return;
    }
    if (form.dataset.sending === "yes") {
      event.preventDefault(); // a double click
      return;
    }
    setSending(form, true);
    if ("checked" in form.dataset) {
      event.preventDefault();
      carry(form, event.submitter);
      checkAndSend(form);
    }
  });

  window.DelineateForms = { renewToken, say, setSending };

  // Back in the browser's history the page comes as it was left.
  window.addEventListener("pageshow", () => document.querySelectorAll("form").forEach((form) => setSending(form, false)));
})();
