// Describes forms and decides nothing. No work before the first focus. What is typed stays here, but for facts about
// a submitted form and an identifier that is a work address.
(() => {
  const TEXT = "input:is(:not([type]),[type=text],[type=email],[type=tel],[type=number],[type=password]),textarea";
  const FIELD = "input:not([type=hidden],[type=submit],[type=button],[type=image],[type=reset]),select,textarea";
  const SUBMIT = "button:not([type]),:is(button,input)[type=submit],input[type=image]";
  const BUTTON = "button,input:is([type=submit],[type=image],[type=button]),[role=button]";
  const HEADING = "h1,h2,h3,h4,h5,h6,legend";

  const cut = (text, most) => (text || "").replace(/\s+/g, " ").trim().slice(0, most);
  const attr = (it, name, most = 60) => cut(it.getAttribute(name), most);
  const place = (it, name) => attr(it, name, 500).replace(/^[a-z]+:\/\/|[?#].*/gi, "").slice(0, 150);
  const isVisible = (it) => it.checkVisibility({ visibilityProperty: true, opacityProperty: true });

  // A root and the open shadow roots in it, found once an event.
  const known = new Map();
  const roots = (root) => {
    if (!known.size) queueMicrotask(() => known.clear());
    const hosts = () => [...root.querySelectorAll("*")].filter((it) => it.shadowRoot);
    if (!known.has(root)) known.set(root, [root, ...hosts().flatMap((it) => roots(it.shadowRoot))]);
    return known.get(root);
  };
  const all = (root, selector) => roots(root).flatMap((it) => [...it.querySelectorAll(selector)]);
  const parent = (it) => it.parentElement || it.getRootNode().host;
  const closest = (it, test) => (!it || test(it) ? it : closest(parent(it), test));

  // Text in or before an element.
  const text = (root, most = 60, from) => {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    let found = "";
    if (from) walker.currentNode = from;
    while (found.length < most && (from ? walker.previousNode() : walker.nextNode())) {
      const node = walker.currentNode;
      if (/^(SCRIPT|STYLE|NOSCRIPT|TEXTAREA)$/.test(node.parentNode?.nodeName)) continue;
      found = cut(from ? `${node.data} ${found}` : `${found} ${node.data}`, 9999);
    }
    return from ? found.slice(-most) : found.slice(0, most);
  };

  const texts = (list) => list.map((it) => text(it, 80));
  const common = (it) => ({
    tag: it.localName,
    name: attr(it, "name"),
    id: attr(it, "id"),
    cls: attr(it, "class", 120),
    al: attr(it, "aria-label"),
  });
  const field = (it) => ({
    ...common(it),
    type: it.type,
    ac: attr(it, "autocomplete"),
    ph: attr(it, "placeholder"),
    label: it.labels?.[0] ? text(it.labels[0]) : "",
    title: attr(it, "title"),
    maxlen: it.getAttribute("maxlength"),
    im: it.getAttribute("inputmode"),
    req: it.required,
    pat: it.hasAttribute("pattern"),
    hid: !isVisible(it),
    nopt: it.options?.length || 0,
  });
  const button = (it) => ({
    ...common(it),
    type: it.type || "role",
    text: text(it) || attr(it, it.localName === "input" ? "value" : "aria-label"),
  });

  // A form's parts, also those outside it; fields with a button act as one.
  const parts = (form, selector) => [
    ...new Set([...all(form, selector), ...[...(form.elements || [])].filter((it) => it.matches(selector))]),
  ];
  const group = (it) =>
    it.form ||
    closest(it, (it) => it.localName === "form") ||
    closest(parent(it), (it) => it === document.body || (all(it, TEXT).length && all(it, BUTTON).length));

  const page = () => ({
    title: cut(document.title, 120),
    lang: document.documentElement.lang || null,
    h1: texts(all(document, "h1").slice(0, 2)),
    npw: all(document, "input[type=password]").length,
    url_path: location.pathname.slice(0, 120),
  });
  const describe = (form) => {
    const fields = parts(form, FIELD);
    const anc = [];
    closest(parent(form), (it) => {
      const names = cut(`${attr(it, "id")} ${attr(it, "class", 100)}`, 100);
      return it === document.body || (names && anc.push(names) > 3);
    });
    return {
      ...common(form),
      action: place(form, "action"),
      method: form.localName === "form" ? attr(form, "method").toLowerCase() || "get" : "",
      role: attr(form, "role"),
      anc,
      heads: texts(all(form, HEADING).slice(0, 6)),
      before: texts(all(document, HEADING).filter((it) => it.compareDocumentPosition(form) === 4).slice(-2).reverse()),
      prev: text(document, 200, form),
      text: text(form, 400),
      fields: fields.slice(0, 60).map(field),
      hidden: all(form, "input[type=hidden]").slice(0, 25).map((it) => attr(it, "name")),
      buttons: parts(form, BUTTON).slice(0, 16).map(button),
      links: all(form, "a[href]").slice(0, 25).map((it) => ({ t: text(it), h: place(it, "href") })),
      ntext: fields.filter((it) => it.matches(TEXT)).length,
      captcha: all(form, "[class*=captcha i],[id*=captcha i],[class*=turnstile i]").length > 0,
      hid: !isVisible(form),
    };
  };

  // Still one when it shows its text.
  const passwords = new WeakSet();
  const isPassword = (it) => it.type === "password" || passwords.has(it);
  let domains;

  const facts = (form) => {
    const fields = parts(form, TEXT);
    const typed = fields.filter((it) => isPassword(it) && it.value);
    const others = fields.filter((it) => !isPassword(it) && it.localName === "input");
    const identifier =
      others.find((it) => it.type === "email" || /username|email/.test(it.autocomplete)) ||
      others.find((it) => /user|mail|login|ident|account/i.test(it.name + it.id)) ||
      (others.length < fields.length && others.at(-1));
    const name = identifier?.value?.trim() || "";
    const domain = /^[^\s@]+@([^\s@]+\.[^\s@]+)$/.exec(name)?.[1].toLowerCase();
    const isWork = domain && domains?.includes(domain);
    return {
      password: typed.length > 0,
      equal: typed.length > 1 && typed.every((it) => it.value === typed[0].value),
      identifier: isWork ? "work" : domain ? (domains?.length ? "other" : "unjudged") : name ? "name" : "none",
      address: isWork ? name : null,
    };
  };

  // Pages outlive the extension.
  const send = async (message) => chrome.runtime?.id && chrome.runtime.sendMessage(message).catch(() => null);
  let last;
  const submitted = (form) => {
    // Click and submit are one task.
    if (!form || form === last || !parts(form, TEXT).length) return;
    last = form;
    setTimeout(() => (last = null));
    send({ t: "submit", sketch: { page: page(), form: describe(form) }, typed: facts(form) });
  };

  const target = (event) => event.composedPath()[0];
  const onSubmit = (event) => event.isTrusted && submitted(target(event));
  const onClick = (event) => {
    const pressed = event.isTrusted && closest(target(event), (it) => it.matches?.(BUTTON));
    const form = pressed && group(pressed);
    if (!form || form.matches("form:not([novalidate]):invalid")) return;
    // Others submit where none is made for it.
    if (pressed.matches(SUBMIT) || !parts(form, SUBMIT).length) submitted(form);
  };
  const onKey = (event) => {
    const pressed = target(event);
    if (event.isTrusted && event.key === "Enter" && !pressed.form && pressed.matches(`input:is(${TEXT})`)) submitted(group(pressed));
  };
  const onFocus = (focused) => {
    if (!focused?.matches?.(`${TEXT},${BUTTON}`)) return;
    if (isPassword(focused)) passwords.add(focused);
    // A submit in a shadow root is not heard outside. Each is added once.
    focused.getRootNode().addEventListener("submit", onSubmit, true);
    document.addEventListener("click", onClick, true);
    document.addEventListener("keydown", onKey, true);
    if (!domains?.length) send({ t: "focus" }).then((answer) => (domains = answer?.domains || []));
  };

  document.addEventListener("focusin", (event) => onFocus(target(event)), true);
  document.addEventListener("submit", onSubmit, true);
  onFocus(document.activeElement);

  chrome.runtime.onMessage.addListener((message, sender, reply) => {
    const forms = new Set(all(document, TEXT).filter(isVisible).map(group));
    reply({ page: page(), forms: [...forms].filter(Boolean).slice(0, 8).map(describe) });
  });
})();
