/* The routes of the REST API, shown by Swagger UI from this site's own files. */
"use strict";

(() => {
  const place = document.getElementById("routes");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const paint = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
  paint();
  dark.addEventListener("change", paint);

  /* What Swagger UI leaves to guess for who does not see the page, or has no mouse. */
  const name = () => {
    for (const main of place.querySelectorAll("main:not([role])")) main.setAttribute("role", "presentation");
    for (const select of place.querySelectorAll("select:not([aria-label]):not([id])")) {
      const type = select.matches(".content-type, [aria-controls]") || select.closest(".content-type-wrapper, .response-control-media-type");
      select.setAttribute("aria-label", type ? "Media type" : select.closest(".examples-select") ? "Example" : "Value");
    }
    for (const code of place.querySelectorAll(".microlight:not([tabindex])")) code.tabIndex = 0;
  };
  new MutationObserver(name).observe(place, { childList: true, subtree: true });

  window.SwaggerUIBundle({
    url: place.dataset.schema,
    domNode: place,
    presets: [window.SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
    deepLinking: false,
    defaultModelsExpandDepth: -1,
    docExpansion: "list",
    displayRequestDuration: true,
    validatorUrl: null,
    requestInterceptor: (request) => {
      if (new URL(request.url, location.href).origin === location.origin) {
        request.headers["X-CSRFToken"] = place.dataset.csrf;
      }
      return request;
    },
  });
})();
