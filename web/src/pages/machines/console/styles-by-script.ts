// xterm.js writes its styles into <style> elements and into style attributes, which a policy without 'unsafe-inline'
// forbids. The same rules may be set by script: into a sheet that the document adopts, and into an element's own
// `style`. The document that xterm.js is given makes its elements so that its writing ends there.

/** What is written into an element as its text goes into a sheet that the document adopts. */
function adopts<T extends HTMLElement>(element: T, sheets: Set<CSSStyleSheet>): T {
  const sheet = new CSSStyleSheet();
  sheets.add(sheet);
  document.adoptedStyleSheets.push(sheet);
  Object.defineProperty(element, "textContent", { set: (text: string) => sheet.replaceSync(text), get: () => "" });
  return element;
}

function madeFor(tag: string, sheets: Set<CSSStyleSheet>): HTMLElement {
  // Even an empty <style> in the page is forbidden: what stands in its place shows nothing.
  if (tag === "style") return adopts(document.createElement("template"), sheets);
  const element = document.createElement(tag);
  if (tag === "span") {
    const write = element.setAttribute.bind(element);
    element.setAttribute = (name, value) => {
      if (name === "style") element.style.cssText = value;
      else write(name, value);
    };
  }
  if (tag === "div") {
    const append = element.appendChild.bind(element);
    // One <style> is made by the window's own document: it is written to when it comes in here, and stays outside.
    element.appendChild = <T extends Node>(child: T): T => (child instanceof HTMLStyleElement ? (adopts(child, sheets) as Node as T) : append(child));
  }
  return element;
}

/** A document for xterm.js's `documentOverride`, and how to take its styles out again. */
export function documentWithoutInlineStyles(): { document: Document; release: () => void } {
  const sheets = new Set<CSSStyleSheet>();
  const wrapped = new Proxy(document, {
    get: (target, property) => {
      if (property === "createElement") return (tag: string) => madeFor(tag, sheets);
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === "function" ? (value as (...all: unknown[]) => unknown).bind(target) : value;
    },
  });
  return {
    document: wrapped,
    release: () => {
      document.adoptedStyleSheets = document.adoptedStyleSheets.filter((sheet) => !sheets.has(sheet));
    },
  };
}
