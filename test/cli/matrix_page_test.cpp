// The page of `matrix --html` in a real browser: what pointing, clicking and typing show.
#include <fstream>

#include <catch2/catch.hpp>

#include "test/cli/cli.hpp"
#include "test/support/skip.hpp"

using namespace podfence;
using test::contains;
using test::run_podfence;

namespace {

/// Runs after the page's own script; what it reports is found in the page afterwards.
constexpr const char* kVisitor = R"(<script>
const told = [], tell = (name, value) => told.push(name + ' = ' + value);
window.addEventListener('error', event => tell('error', event.message));
const at = (from, to) => {
  const find = name => pods.findIndex((_, i) => full(i) === name);
  return byId(`x${find(from)}-${find(to)}`);
};
const press = (cell, key) => cell.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true}));
const heading = () => why.querySelector('h2').textContent;
tell('opened at', heading());
document.dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape'}));
tell('address after Escape', location.hash);
at('shop/frontend', 'shop/db').dispatchEvent(new MouseEvent('mouseover', {bubbles: true}));
tell('hover', heading());
tell('hover says', why.textContent.includes('pod shop/frontend has app=frontend, not app=backend'));
at('shop/backend', 'shop/db').click();
at('shop/frontend', 'shop/db').dispatchEvent(new MouseEvent('mouseover', {bubbles: true}));
tell('click keeps', heading());
tell('click says', why.textContent.includes('policy shop/db-from-backend'));
tell('address', location.hash);
tell('some', allowedPorts(1, 3).open.join());
const cell = at('shop/backend', 'shop/db');
cell.focus();
press(cell, 'ArrowRight');
tell('right', document.activeElement.getAttribute('aria-label'));
press(document.activeElement, 'Home');
press(document.activeElement, 'ArrowLeft');
press(document.activeElement, 'Enter');
tell('margin', heading() + ': ' + why.querySelectorAll('button.go').length);
why.querySelector('button.go').click();
tell('from the list', heading());
byId('to').value = 'app=db';
byId('to').dispatchEvent(new Event('input'));
tell('columns', cols.map(full).join());
byId('legend').querySelector('[data-key=n]').click();
tell('only', table.dataset.only);
const report = document.createElement('pre');
report.textContent = told.join('\n');
document.body.append(report);
</script>)";

/// The page's DOM after its scripts ran, as HTML.
std::string visited(const std::string& page, const std::string& fragment) {
    const test::TemporaryFile file(page, "page.html");
    const auto run = test::shell(
        "timeout 60 chromium --headless --no-sandbox --disable-gpu --user-data-dir=" +
        file.directory() + "/profile --dump-dom 'file://" + file.path() + "#" + fragment + "'");
    CAPTURE(run.err);
    CHECK(run.status == 0);
    return run.out;
}

}  // namespace

TEST_CASE("the matrix page answers pointer, keyboard and filters in a browser", "[cli]") {
    if (test::shell("command -v chromium").status != 0) {
        PODFENCE_SKIP("chromium is not installed: the matrix page is not visited");
    }
    const auto page = run_podfence({"matrix", "-f", "-", "--html", "-"}, test::kShop);
    REQUIRE(page.status == 0);
    const std::string dom = visited(page.out + kVisitor, "from=shop/backend&to=shop/db");
    CAPTURE(dom.substr(std::min(dom.size(), dom.rfind("<pre>"))));
    CHECK(contains(dom, "opened at = shop/backend → shop/db\n"));
    CHECK(contains(dom, "address after Escape = \n"));
    CHECK(contains(dom, "hover = shop/frontend → shop/db\n"));
    CHECK(contains(dom, "hover says = true\n"));
    CHECK(contains(dom, "click keeps = shop/backend → shop/db\n"));
    CHECK(contains(dom, "click says = true\n"));
    CHECK(contains(dom, "address = #from=shop/backend&amp;to=shop/db\n"));
    CHECK(contains(dom, "some = 5432/TCP postgres\n"));
    CHECK(contains(dom, "right = shop/backend to shop/frontend: denied\n"));
    CHECK(contains(dom, "margin = From shop/backend: 4\n"));
    CHECK(contains(dom, "from the list = shop/backend → monitoring/prometheus\n"));
    CHECK(contains(dom, "columns = shop/db\n"));
    CHECK(contains(dom, "only = n</pre>"));
    CHECK_FALSE(contains(dom, "error = "));
}

TEST_CASE("names from manifests stay text in the browser", "[cli]") {
    if (test::shell("command -v chromium").status != 0) {
        PODFENCE_SKIP("chromium is not installed: the matrix page is not visited");
    }
    const std::string evil = R"(
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: b, labels: {x: "<img src=x onerror=document.title='owned'>"}}
spec: {nodeName: "\"><script>document.title='owned'</script>", containers: [{name: c}]}
status: {phase: Running, podIP: 10.0.0.1}
)";
    const auto page = run_podfence({"matrix", "-f", "-", "--html", "-"}, evil);
    const std::string dom = visited(page.out, "from=b/a&to=b/a");
    CHECK(contains(dom, "b/a → b/a"));
    CHECK_FALSE(contains(dom, "<title>owned"));
    CHECK_FALSE(contains(dom, "<img"));
}

TEST_CASE("the page says what is wrong with the input", "[cli]") {
    const std::string manifest =
        std::string(test::kShop) +
        "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: broken, "
        "namespace: shop}\nspec: {podSelector: {}, ingress: [{ports: [{port: 99999}]}]}\n";
    const auto page = run_podfence({"matrix", "-f", "-", "--html", "-"}, manifest);
    CHECK(page.status == 1);
    CHECK(contains(page.out, R"("problems":["-:)"));
    CHECK(contains(page.out, "99999"));
}
