"""Runs of Chinese, Japanese and Korean characters, which are written without spaces between words."""

import re

CJK_RUN = re.compile(
    "[\u2e80-\u2fdf\u3005-\u3007\u3040-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\u1100-\u11ff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]+"
)
