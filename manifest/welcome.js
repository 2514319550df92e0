// Wiring only: each element gets the text of its own name.
document.documentElement.lang = chrome.i18n.getUILanguage();
document.querySelectorAll("[id]").forEach((it) => {
  it.textContent = chrome.i18n.getMessage(it.id);
});
