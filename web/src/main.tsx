import "katex/dist/katex.min.css";
import { render } from "preact";
import { begin } from "./state";
import "./style/page.css";
import { App } from "./ui/app";

render(<App />, document.getElementById("page")!);
void begin();
