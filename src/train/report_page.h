// The fixed parts of report.html: its style (dark and light, wide and narrow) and the script that
// shows a curve's value under the pointer.
#pragma once

#include <string_view>

namespace r1 {

constexpr std::string_view kReportStyle = R"(
:root{color-scheme:light dark;--bg:#fff;--fg:#1c2024;--soft:#667;--line:#e3e6ea;--card:#f7f8fa;
--good:#187a43;--bad:#b3261e;--warn:#fff4dc;--axis:#dde1e6;
--c0:#2457d6;--c1:#d9730d;--c2:#1b8a5a;--c3:#a033b3;--c4:#b3261e;--c5:#667}
@media(prefers-color-scheme:dark){:root{--bg:#14171a;--fg:#e6e8ea;--soft:#98a1ab;--line:#2b3138;
--card:#1b1f24;--good:#5ecb8c;--bad:#ff8a80;--warn:#37301c;--axis:#2f353c;
--c0:#7aa2ff;--c1:#ffa657;--c2:#5ecb8c;--c3:#d78bea;--c4:#ff8a80;--c5:#98a1ab}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1180px;padding:20px 16px 60px;background:var(--bg);color:var(--fg);
font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;margin:0 0 4px}h2{font-size:1.15rem;margin:36px 0 10px}
h3{font-size:.95rem;margin:0 0 2px}
p{margin:4px 0}.soft{color:var(--soft)}
.grid-of{display:grid;gap:14px;grid-template-columns:repeat(auto-fill,minmax(min(100%,330px),1fr))}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px;min-width:0}
.first{grid-column:1/-1}.first svg{max-height:340px}
.big{font-size:1.5rem;font-weight:600}
svg{display:block;width:100%;height:auto;overflow:visible}
.grid{stroke:var(--axis);stroke-width:1}.mark{fill:var(--soft);font-size:9.5px}
.curve{fill:none;stroke-width:1.7;stroke-linejoin:round}
.band{opacity:.16;stroke:none}
path.c0,circle.c0{stroke:var(--c0)}path.c1,circle.c1{stroke:var(--c1)}
path.c2,circle.c2{stroke:var(--c2)}path.c3,circle.c3{stroke:var(--c3)}
path.c4,circle.c4{stroke:var(--c4)}path.c5,circle.c5{stroke:var(--c5)}
polygon.c0,circle.c0{fill:var(--c0)}polygon.c1,circle.c1{fill:var(--c1)}
polygon.c2,circle.c2{fill:var(--c2)}polygon.c3,circle.c3{fill:var(--c3)}
polygon.c4,circle.c4{fill:var(--c4)}polygon.c5,circle.c5{fill:var(--c5)}
.legend span{margin-right:12px}.legend span::before{content:"● "}
span.c0{color:var(--c0)}span.c1{color:var(--c1)}span.c2{color:var(--c2)}span.c3{color:var(--c3)}
span.c4{color:var(--c4)}span.c5{color:var(--c5)}
.reading{font-size:.85rem;min-height:1.4em;color:var(--soft);font-variant-numeric:tabular-nums}
.samples{display:grid;gap:10px;grid-template-columns:repeat(auto-fit,minmax(min(100%,270px),1fr))}
.sample{border-left:3px solid var(--line);padding:2px 0 2px 10px;min-width:0}
.sample.right{border-color:var(--good)}.sample.wrong{border-color:var(--bad)}
pre{margin:6px 0 0;white-space:pre-wrap;overflow-wrap:anywhere;max-height:420px;overflow:auto;
font:13px/1.45 ui-monospace,monospace}
.thought{color:var(--soft)}.answer{font-weight:600}
.warning{background:var(--warn);border-radius:8px;padding:10px 12px;margin:8px 0}
table{border-collapse:collapse}td{padding:2px 14px 2px 0;vertical-align:top;overflow-wrap:anywhere}
summary{cursor:pointer;margin:8px 0}
)";

constexpr std::string_view kReportScript = R"(
for(const svg of document.querySelectorAll('svg')){
  const curves=[...svg.querySelectorAll('.points')].map(g=>({name:g.dataset.name,
    points:g.dataset.points.split(';').filter(p=>p).map(p=>{const[x,y,step,...v]=p.split(',');
      return{x:+x,y:+y,step,value:v.join(',')}})}));
  const reading=svg.parentNode.querySelector('.reading');
  const dots=curves.map((c,i)=>{
    const d=document.createElementNS('http://www.w3.org/2000/svg','circle');
    d.setAttribute('r',3.2);d.setAttribute('class','c'+i%6);d.style.display='none';
    svg.append(d);return d});
  const show=e=>{
    const box=svg.getBoundingClientRect(),at=(e.clientX-box.left)/box.width*svg.viewBox.baseVal.width;
    reading.textContent=curves.map((c,i)=>{
      if(!c.points.length)return'';
      const p=c.points.reduce((a,b)=>Math.abs(b.x-at)<Math.abs(a.x-at)?b:a);
      dots[i].setAttribute('cx',p.x);dots[i].setAttribute('cy',p.y);dots[i].style.display='';
      return(i?'':'step '+p.step+': ')+(c.name?c.name+' ':'')+p.value}).join('   ')};
  svg.addEventListener('pointermove',show);svg.addEventListener('pointerdown',show);
  svg.addEventListener('pointerleave',()=>{reading.textContent='';
    dots.forEach(d=>d.style.display='none')});
}
)";

}  // namespace r1
