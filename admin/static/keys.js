// Whether keys do something: one switch for all pages that have any, remembered by the browser. Load it before them.
"use strict";

(() => {
  const NAME = "keys";
  let are = true; // of a browser that keeps nothing, for this page alone
  const areOn = () => {
    try {
      return localStorage.getItem(NAME) !== "off";
    } catch {
      return are;
    }
  };
  const show = () => {
    const box = document.getElementById("keys-on");
    if (box) {
      box.checked = areOn();
    }
  };
  document.addEventListener("change", ({ target }) => {
    if (target.id === "keys-on") {
      are = target.checked;
      try {
        localStorage.setItem(NAME, are ? "on" : "off");
      } catch {
        // as above
      }
    }
  });
  window.addEventListener("storage", show); // another tab's switch
  show();
  window.delineateKeys = { areOn, show };
})();
