// What makes the admin pages quicker to use. Everything works without it, and it asks no server for
// anything: it moves the focus, follows links that the page has, and copies what the page shows.
"use strict";
(() => {
  const element = (name, properties, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };

  // --- a key to go anywhere

  const places = [...document.getElementById("pages").content.querySelectorAll("a")].map((it) => ({
    label: it.textContent,
    address: it.getAttribute("href"),
  }));
  const lists = [["Apps", "/apps"], ["Users", "/users"], ["Accounts", "/user-apps"]];

  const input = element("input", { id: "palette-text", type: "text", autocomplete: "off", spellcheck: false });
  const options = element("ul", { id: "palette-options", className: "palette-options" });
  const palette = element(
    "dialog",
    { className: "palette" },
    element("label", { htmlFor: "palette-text", textContent: "Go to a page, or look for an app or a person" }),
    input,
    options,
  );
  palette.setAttribute("aria-label", "Go to");
  for (const [name, value] of [["role", "combobox"], ["aria-expanded", "true"], ["aria-controls", options.id], ["aria-autocomplete", "list"]]) {
    input.setAttribute(name, value);
  }
  options.setAttribute("role", "listbox");
  options.setAttribute("aria-label", "Where to");

  let found = [];
  let chosen = 0;

  const choose = (at) => {
    chosen = found.length === 0 ? 0 : (at + found.length) % found.length;
    [...options.children].forEach((it, number) => it.setAttribute("aria-selected", String(number === chosen)));
    const option = options.children[chosen];
    input.setAttribute("aria-activedescendant", option ? option.id : "");
    option?.scrollIntoView({ block: "nearest" });
  };

  const look = () => {
    const text = input.value.trim();
    const words = text.toLowerCase().split(/\s+/);
    const fits = ({ label }) => words.every((it) => label.toLowerCase().includes(it));
    const search = ([label, path]) => ({ label: `${label} with “${text}”`, address: `${path}?${new URLSearchParams({ text })}` });
    found = [...places.filter(fits), ...(text === "" ? [] : lists.map(search))];
    options.replaceChildren(...found.map(({ label }, number) => {
      const option = element("li", { id: `palette-${number}`, textContent: label });
      option.setAttribute("role", "option");
      return option;
    }));
    choose(0);
  };

  const open = () => {
    if (palette.open) return;
    input.value = "";
    look();
    palette.showModal();
    input.focus();
  };

  const go = (place) => {
    if (place) location.assign(place.address);
  };

  input.addEventListener("input", look);
  input.addEventListener("keydown", (event) => {
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in steps) choose(chosen + steps[event.key]);
    else if (event.key === "Enter") go(found[chosen]);
    else return;
    event.preventDefault();
  });
  options.addEventListener("click", (event) => go(found[[...options.children].indexOf(event.target)]));
  palette.addEventListener("click", (event) => {
    if (event.target === palette) palette.close();
  });
  document.body.append(palette);

  const opener = element("button", { type: "button", className: "button button-quiet button-small opener", textContent: "Go to…" });
  opener.title = "Ctrl K, or / where a page has nothing to look through";
  opener.setAttribute("aria-keyshortcuts", "Control+K Meta+K");
  opener.addEventListener("click", open);
  document.querySelector(".who").prepend(opener);

  const isTyping = (at) => at.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName);
  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.altKey) return;
    const isCommand = event.ctrlKey || event.metaKey;
    if (isCommand && event.key.toLowerCase() === "k") {
      open();
    } else if (!isCommand && event.key === "/" && !isTyping(event.target)) {
      const search = document.querySelector("main input[type=search]");
      if (search) {
        search.focus();
        search.select();
      } else {
        open();
      }
    } else {
      return;
    }
    event.preventDefault();
  });

  // --- what is shown to be taken elsewhere

  // Browsers have a clipboard on HTTPS and on this machine only.
  if (!navigator.clipboard) return;
  for (const shown of document.querySelectorAll("main pre")) {
    const copy = element("button", { type: "button", className: "button button-quiet button-small copy", textContent: "Copy" });
    const said = element("span", { className: "quiet small" });
    said.setAttribute("role", "status");
    copy.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(shown.textContent);
        said.textContent = "Copied.";
      } catch {
        said.textContent = "The browser does not let us copy; mark the text instead.";
      }
    });
    shown.after(element("p", { className: "copy-line" }, copy, said));
  }
})();
