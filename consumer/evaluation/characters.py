"""How people write a word so that a filter misses it: sounds, shapes and traditional forms. Tables only.

Written by hand and apart from the tables of `consumer.screening`, on purpose: an evaluation that disguises words with
the matcher's own table would find them again whatever the table is worth. `perturbations` uses them.
"""

from typing import Final

_SOUNDS: Final = """
bai 百佰柏 | bai 白 | ban 班般斑 | bao 保宝饱堡 | bao 包苞胞 | bao 报抱暴爆 | bei 倍备背被 | ben 本苯
bi 比彼笔 | bi 必毕闭币 | bian 变遍辨便 | biao 标彪膘 | bing 病并 | bu 不步部布 | cai 才材财裁 | chao 超抄
chang 长常尝偿 | cheng 成城诚承程 | chu 除厨锄 | chu 处触 | chuan 传船 | ci 次刺 | cui 催摧崔 | da 大 | da 达答
dai 代带待袋戴 | dan 单丹担 | dao 到倒道盗 | de 得德 | di 第弟帝递 | di 低滴 | dian 点典 | ding 顶鼎 | ding 订定
du 毒独读 | duan 断段锻 | dui 对队 | er 儿而 | fa 发 | fan 返饭犯泛 | fang 房防妨 | fei 肥 | fen 分纷芬
feng 风疯封丰峰锋 | fu 服福扶浮 | fu 复负付副富妇 | gai 改 | gan 感敢赶 | gan 肝甘杆 | gao 高糕膏 | gen 根跟
gong 功公工宫攻 | gu 股骨鼓古 | gu 故固顾 | guan 冠贯惯 | guang 广 | gui 贵柜桂 | guo 国 | guo 过 | hai 孩
hao 好郝 | hao 号耗 | he 合和河盒 | hui 回 | hui 会惠慧汇 | huan 患换幻唤 | huo 获货或 | ji 级及极急吉即疾集
ji 济季计记寄 | jia 佳家加嘉 | jia 价假架 | jian 健建件见剑 | jian 减检简捡 | jiang 奖讲蒋 | jiang 降将酱
jie 捷洁结节 | jie 戒界借 | jin 金今斤津 | jing 精惊京经晶 | jiu 酒久九玖 | jiu 就救旧 | jue 绝决觉 | kai 开
kang 康慷糠 | kang 抗炕 | ke 科颗棵柯 | kuai 快块筷 | kui 亏 | lai 来莱 | lao 老姥 | li 力利立例历丽
li 理礼里李 | liao 疗聊辽 | lie 劣列烈 | ling 领岭 | ling 零灵铃凌龄 | liu 瘤留流刘 | lu 录路露 | lv 率律绿虑
man 慢漫 | mei 美每 | mian 免勉 | ming 明名鸣 | ming 命 | mo 魔摩 | nai 奶乃 | nan 难男南 | nao 脑恼 | neng 能
pai 牌排 | pang 胖 | pei 赔陪 | pian 骗片 | piao 票 | pin 品 | ping 评平瓶屏 | qi 期奇其棋旗 | qi 七妻漆戚
qi 气汽弃器 | qian 钱前潜 | quan 全权泉拳 | que 缺 | ran 燃然 | rang 让 | ren 人仁 | ri 日 | ru 乳汝 | ru 如
san 三叁 | sha 杀沙纱 | shan 善扇 | shang 上尚 | shao 少 | sheng 生声升胜 | sheng 圣剩盛 | shi 是事市式世室视试
shi 师失诗狮 | shou 首手守 | shou 受售瘦寿 | shu 数树术束 | shuai 帅 | shui 睡税 | su 速素诉塑 | sui 随
tai 太态泰 | tang 糖堂唐塘 | te 特 | teng 疼腾藤 | ti 题提蹄 | tian 天添 | tong 痛 | tong 通 | tou 投头 | tui 推
tui 退 | wai 外 | wan 万腕 | wang 王亡 | wei 唯惟维围 | wei 胃位味未卫为 | wen 稳吻 | wu 无吴 | wu 五伍武舞午
xi 喜洗 | xi 系细戏 | xian 险显 | xian 先鲜仙 | xian 限线现陷县 | xiang 享想响 | xiao 效笑校孝 | xiao 消销宵硝
xie 血写 | xie 谢泻 | xin 心新欣辛薪 | xing 性姓幸杏 | xiong 胸 | xue 学 | xun 寻巡 | yan 延言严炎岩沿颜
yan 验艳厌宴 | yang 养氧 | yao 药要耀 | yi 一医衣依 | yi 疑移姨宜 | yi 益意易艺义亿忆 | yin 瘾引饮隐
yin 因音阴 | ying 赢营蝇迎 | ying 硬映 | yong 永勇涌泳 | yong 用 | you 优幽忧悠 | you 有友 | you 诱右幼
yu 预遇玉育欲愈 | yuan 原源元园员 | yue 越月悦阅 | yun 孕运韵 | zai 再在载 | zeng 增 | zhan 战站占 | zhang 涨掌
zhe 折哲 | zhen 真针珍 | zhen 镇震 | zheng 证正政症挣 | zhi 治制志智致质置 | zhi 值植职直 | zhi 止纸指只旨
zhong 种肿 | zhong 中终钟忠 | zhong 重众 | zhu 主煮 | zhuan 专砖 | zhuan 赚 | zhun 准 | zi 资姿滋 | zong 宗综踪
zu 足族 | zui 最罪醉 | zui 嘴 | zun 尊遵 | zuo 做作坐座
"""

_SHAPES: Final = """
治冶 疗辽 效郊 药葯 最蕞 佳隹 好妤 顶项 级极 根桹 第弟 品晶 永氶 保褓 国囯 家冢 无旡 毒毐 天夭 大太 人入 日曰
未末 己已 末未 士土 土士 干千 千干 力刀 王玉 玉王 全仝 金釒 牌脾 病疒 愈俞 癌嵒 痛疼 除徐 复夏 百白 白百 万方
方万 分兮 奖桨 荐存 推椎 医匠 师帅 帅师 院完 军车 学字 赚嫌 息恴 本夲 收牧 益盖 回囬 投没 资贷 贷资 免兔 兔免
费贲 送迭 退迟 款欵 赔陪 假暇 降绛 血皿 压庄 糖搪 脂指 消肖 炎灸 肿仲 瘤榴 防妨 预顶 抗杭 杀刹 菌箘 安女 健建
康庚 减咸 肥肌 瘦廋 美羙 净诤 斑班 祛袪 痘豆 奶仍 母毌 乳孔 升开 值植 房戻 涨张 胜性 必心 过辻 考老 包句 证症
名各 命佘 题颢 烟咽 酒洒 喝渴 醉碎 赌堵 博傅 彩采 神袖 佛仸 运辶 超起 越赿 强弶 优忧 秀禿 首苜 选迭 唯惟 独浊
冠寇 极板 致至 尊奠 享亨 绝色 对怼 领颌 先洗 权杈 威滅 特持 供洪 老考 中申 科料 研妍 所斫 奇寄 迹速 速逨 立位
即卽 见贝 刻该
"""

_TRADITIONAL: Final = """
国國 级級 顶頂 极極 药藥 疗療 医醫 师師 专專 荐薦 证證 验驗 术術 无無 坏壞 风風 险險 稳穩 赚賺 钱錢 资資 贷貸
费費 赔賠 质質 货貨 购購 买買 卖賣 价價 优優 让讓 银銀 铜銅 钙鈣 铁鐵 锌鋅 领領 导導 独獨 创創 绝絕 对對 统統
经經 给給 终終 结結 组組 织織 细細 红紅 纯純 维維 综綜 绿綠 续續 缓緩 线線 练練 约約 纤纖 纳納 纪紀 历歷 压壓
脑腦 肿腫 胆膽 脏臟 肾腎 肠腸 脉脈 胶膠 胀脹 颈頸 颗顆 题題 额額 须須 预預 顾顧 类類 颜顏 显顯 愿願 复復 发發
减減 轻輕 转轉 车車 轮輪 输輸 较較 达達 运運 过過 还還 远遠 连連 迟遲 适適 选選 遗遺 进進 边邊 这這 说說 话話
语語 请請 读讀 调調 试試 认認 识識 议議 论論 许許 设設 评評 诊診 词詞 该該 详詳 诱誘 课課 谁誰 谈談 记記 计計
订訂 讲講 诚誠 学學 习習 书書 艺藝 节節 华華 万萬 与與 业業 严嚴 丧喪 个個 丰豐 临臨 为為 举舉 义義 乐樂 乡鄉
亏虧 云雲 产產 亲親 亿億 仅僅 从從 仓倉 众眾 会會 伤傷 体體 儿兒 党黨 兴興 养養 内內 军軍 农農 冲衝 决決 净淨
凉涼 几幾 击擊 划劃 则則 刚剛 剂劑 劳勞 势勢 务務 动動 励勵 区區 单單 卫衛 厂廠 厅廳 厉厲 双雙 变變 号號 听聽
员員 响響 团團 园園 围圍 图圖 圆圓 场場 块塊 坚堅 处處 备備 头頭 夺奪 奖獎 妇婦 孙孫 宝寶 实實 宽寬 将將 尝嘗
尽盡 层層 属屬 岁歲 币幣 帐帳 带帶 帮幫 广廣 应應 库庫 异異 张張 强強 归歸 当當 录錄 彻徹 总總 恶惡 惊驚 愈癒
户戶 执執 扩擴 扫掃 护護 报報 担擔 择擇 损損 换換 据據 断斷 时時 晓曉 暂暫 机機 权權 条條 来來 构構 标標 样樣
桥橋 检檢 楼樓 欢歡 残殘 毕畢 气氣 汉漢 汤湯 没沒 泪淚 泽澤 洁潔 测測 济濟 浓濃 涨漲 满滿 灵靈 灾災 炼煉 烟煙
烦煩 热熱 爱愛 牵牽 状狀 猫貓 现現 环環 电電 疯瘋 痒癢 癣癬 瘾癮 盖蓋 盘盤 码碼 础礎 确確 礼禮 祸禍 离離 种種
积積 称稱 税稅 竞競 笔筆 签簽 简簡 粮糧 纹紋 罗羅 罚罰 职職 联聯 肃肅 胜勝 脱脫 舰艦 苏蘇 获獲 营營 萝蘿 虑慮
虽雖 补補 装裝 见見 观觀 规規 视視 觉覺 触觸 贝貝 负負 财財 责責 败敗 账賬 贤賢 贫貧 贯貫 贴貼 贵貴 赢贏 赠贈
趋趨 跃躍 软軟 载載 辅輔 辆輛 迁遷 郑鄭 酱醬 释釋 里裡 针針 钟鐘 镇鎮 长長 门門 闪閃 闭閉 问問 间間 闻聞 阅閱
队隊 阳陽 阴陰 际際 陆陸 随隨 难難 静靜 韩韓 页頁 项項 顺順 频頻 飞飛 饭飯 饮飲 饼餅 馆館 马馬 驾駕 骗騙 鱼魚
鲜鮮 鸡雞 黄黃 齐齊 齿齒 龄齡 龙龍 疮瘡 疡瘍 痴癡 荣榮 誉譽 销銷 盐鹽 乱亂 奋奮 猎獵 夸誇 铺鋪 锁鎖 错錯 贺賀
赌賭 赛賽 赞讚 赶趕 迈邁 违違 遥遙 邻鄰 辞辭 阶階 隐隱 雾霧 顽頑 颖穎 饥飢 驰馳 鲁魯 鉴鑑 绍紹 绩績 缩縮 缴繳
罢罷 耻恥 聪聰 肤膚 虫蟲 蚀蝕 蝇蠅 杂雜 宁寧 准準 编編 审審 粤粵 闽閩 辽遼 陕陝
"""


def _sounds() -> tuple[dict[str, str], dict[str, str]]:
    pinyin: dict[str, str] = {}
    groups: dict[str, str] = {}
    for entry in _SOUNDS.replace("\n", "|").split("|"):
        if not entry.strip():
            continue
        syllable, characters = entry.split()
        for character in characters:
            pinyin.setdefault(character, syllable)
            groups[character] = groups.get(character, "") + characters.replace(character, "")
    return pinyin, groups


def _pairs(table: str) -> dict[str, str]:
    return {pair[0]: pair[1] for pair in table.split()}


_PINYIN_AND_GROUPS: Final = _sounds()
PINYIN: Final = _PINYIN_AND_GROUPS[0]
"""Character → syllable without its tone."""
HOMOPHONES: Final = {one: others for one, others in _PINYIN_AND_GROUPS[1].items() if others}
"""Character → characters that sound alike, tone and all."""
LOOK_ALIKES: Final = _pairs(_SHAPES) | {"0": "O", "1": "l", "2": "Z", "5": "S", "8": "B", "一": "ー", "零": "〇"}
"""Character → one that looks like it."""
TRADITIONAL: Final = _pairs(_TRADITIONAL)
"""Simplified → traditional, where they differ."""
