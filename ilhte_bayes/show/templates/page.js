// Shows what a spot of a figure tells; without this script browsers show its title themselves.
(() => {
  const tip = document.createElement("div");
  tip.id = "tip";
  tip.hidden = true;
  document.body.append(tip);
  for (const title of document.querySelectorAll(".plot title")) {
    title.parentNode.dataset.told = title.textContent;
    title.remove(); // told once
  }
  const tell = event => {
    const told = event.target.dataset && event.target.dataset.told;
    tip.hidden = !told;
    if (!told) return;
    tip.textContent = told;
    const room = document.documentElement.clientWidth - tip.offsetWidth - 8;
    tip.style.left = Math.max(4, Math.min(event.pageX + 12, room)) + "px";
    tip.style.top = event.pageY + 14 + "px";
  };
  document.addEventListener("pointermove", tell);
  document.addEventListener("click", tell);
})();
