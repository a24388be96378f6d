// Light, dark, or as the system has it. Loaded before the page is drawn, so that none flashes in the other.
"use strict";

(() => {
  const NAMES = ["system", "light", "dark"];
  const read = () => {
    try {
      return NAMES.includes(localStorage.theme) ? localStorage.theme : "system";
    } catch {
      return "system"; // a browser that keeps nothing
    }
  };
  let theme = read();
  const apply = () => {
    document.documentElement.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (button) {
      button.hidden = false;
      button.textContent = { system: "◐", light: "☀", dark: "☾" }[theme];
      button.setAttribute("aria-label", `Theme: ${theme}`);
      button.title = `Theme: ${theme}`;
    }
  };
  apply();
  document.addEventListener("DOMContentLoaded", () => {
    apply();
    document.getElementById("theme").addEventListener("click", () => {
      theme = NAMES[(NAMES.indexOf(theme) + 1) % NAMES.length];
      try {
        localStorage.theme = theme;
      } catch {
        // Then it holds for this page alone.
      }
      apply();
    });
  });
})();
