"""Words from which names are invented, language by language; Japanese, Korean and Mandarin are romanised; accents are left out.

In the forms, {n} and {m} are two nouns, {q} is a word that goes with any of them, {u} is what a band calls itself and
{g} is a given name. An ending never occurs inside a form, so that two titles with endings are equal only if both parts are.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """What one language gives to names: lists of words apart by spaces, family names in halves, and forms to fill."""

    given: str
    family_starts: str
    family_ends: str
    nouns: str
    qualifiers: str
    units: str
    title_forms: tuple[str, ...]
    band_forms: tuple[str, ...]
    endings: tuple[str, ...]


ENGLISH = Words(
    given="Adela Arlo Bea Callum Clover Daphne Edie Ellis Faye Fern Gwen Harlan Hazel Ida Jasper June Kit Lena Linus "
    "Mabel Marlow Nell Odette Otis Pearl Quinn Rhoda Rowan Sable Silas Tamsin Theo Una Vera Wren Zeke",
    family_starts="Ash Bram Cald Dun Ember Fair Gran Hollo Ives Kel Lor Marl Nor Old Penn Rad Stan Thorn Under Wex",
    family_ends="acre bourne combe dale fell grave hithe holt lea mere moor rigg stead thwaite wath wick",
    nouns="Ashes Bridges Candles Cities Clouds Coast Dust Embers Fever Fields Ghosts Harbour Honey Islands Kites "
    "Lanterns Ledgers Letters Marigold Moonlight Neon Oceans Orchards Rain Rivers Roses Satellites Shadows Silver Smoke "
    "Stations Thunder Valleys Winter",
    qualifiers="Amber Borrowed Bright Cedar Distant Early Folded Gentle Gilded Half-Lit Hidden Last Little Lost Mended "
    "Northern Open Patient Quiet Restless Scarlet Second Slow Velvet",
    units="Arcade Assembly Choir Committee Department Motel Platform Postcards Society Union",
    title_forms=("{q} {n}", "{n} for {m}", "{n} under {m}", "{n} without {m}", "My {q} {n}", "Half the {n}"),
    band_forms=("The {q} {n}", "{n} {u}", "{g} and the {n}", "{q} {u}"),
    endings=("Again", "at Noon", "for Two", "in June", "Tonight", "on Tape", "by Train", "until Four"),
)
SPANISH = Words(
    given="Abril Adriana Benicio Candela Dario Elvira Fabio Graciela Ignacio Jacinta Leandro Lucero Marisol Nahuel "
    "Octavio Paloma Ramiro Rocio Salvador Tadeo Ursula Ximena Yolanda Zoilo",
    family_starts="Alba Bar Cande Del Espi Fuen Guada Her Lan Monta Nava Oliva Pala Quinta Rosa Salva Torre Urru Val "
    "Zara",
    family_ends="durria landa les mora naga noza ral rena rosa tal tierra vega velda viejo villa zar",
    nouns="Agua Alba Arena Barro Calle Ceniza Cielo Ciudad Espejo Estrella Fiebre Fuego Hierro Humo Invierno Isla "
    "Lluvia Luna Madera Mar Niebla Nieve Noche Nube Piedra Puente Puerto Relampago Rio Sal Sombra Tierra Trueno Vela "
    "Verano Viento",
    qualifiers="Ausente Azul Breve Brillante Constante Distante Dulce Elegante Fiel Final Fugaz Gentil Inmovil "
    "Invisible Libre Salvaje Silvestre Triste Urgente Verde",
    units="Banda Cine Circo Club Compania Hotel Motel Orquesta Radio Teatro",
    title_forms=("{n} {q}", "{n} con {m}", "{n} sin {m}", "{n} de {m}"),
    band_forms=("{u} {n}", "{u} {q}", "{g} {n}"),
    endings=("Otra Vez", "en Abril", "para Dos", "Todavia", "a Medianoche", "sin Prisa", "Hasta Hoy", "al Fin"),
)
FRENCH = Words(
    given="Aurelien Blandine Capucine Cedric Delphine Emeline Fabrice Florian Garance Honorine Ilan Josephine Lambert "
    "Leonie Maelle Noemie Octave Perrine Quentin Romane Sidonie Tancrede Valentin Zelie",
    family_starts="Beau Bel Cha Cour Des Fon Gre Haute Jol Lan Mar Mon Nor Pel Roche Sau Tre Val Ver Vil",
    family_ends="bois champ clair court fleur lac lieu loup mont nac pre rive sart tagne val vigne",
    nouns="Absence Aube Automne Bateau Brume Cendre Chemin Ciel Dimanche Etoile Fenetre Feu Fievre Hiver Ile Jardin "
    "Lanterne Lumiere Lune Matin Mer Miroir Neige Nuage Nuit Orage Pierre Pluie Poussiere Quai Riviere Sable Silence "
    "Soleil Vague Vent",
    qualifiers="Electrique Etrange Fidele Fragile Immobile Invisible Libre Magnetique Nocturne Nomade Oblique Rouge "
    "Sauvage Solitaire Sombre Tendre Timide Tranquille Triste Ultime",
    units="Bureau Cinema Cirque Garage Grenier Orchestre Quartier Salon Studio Theatre",
    title_forms=("{n} {q}", "{n} sans {m}", "{n} et {m}", "{n} contre {m}"),
    band_forms=("{u} {n}", "{u} {q}", "{g} {n}"),
    endings=("Encore", "a Deux", "en Avril", "jusqu'a Lundi", "a Minuit", "au Loin", "Demain", "Autrefois"),
)
GERMAN = Words(
    given="Anselm Benno Dorothea Edda Frieda Gesine Henrik Ilse Jorinde Kaspar Konrad Liesl Malte Nele Ottilie Philine "
    "Ruprecht Swantje Thea Ulrike Veit Wanda Wiebke Zacharias",
    family_starts="Adel Birken Buchen Dorn Eber Feld Gruen Hagen Hasel Lauter Linden Muehl Nieder Ost Rauten Sonn Steck "
    "Tann Weiden Zell",
    family_ends="acker au brink brunn eck holz horst kamp lohe mann moos ried rode see staett wald",
    nouns="Asche Atem Bruecken Donner Eisen Feuer Flut Fruehling Funken Gezeiten Glas Gold Heimweh Himmel Honig Inseln "
    "Kohle Licht Nebel Papier Rauch Regen Salz Sand Schatten Schnee Seide Silber Staub Sterne Stille Stimmen Strassen "
    "Wellen Wind Wolken",
    qualifiers="Abend Berg Blau Eis Fern Feuer Frost Glas Gold Herbst Laub Licht Mond Morgen Nacht Nebel Regen Schatten "
    "Schnee Silber Sommer Sternen Sturm Tal Wald Wellen Wiesen Winter",
    units="bande chor club funk kapelle kollektiv orchester theater verein werk",
    title_forms=(
        *("{q}fahrt", "{q}gang", "{q}glanz", "{q}haus", "{q}lied", "{q}pfad", "{q}rausch", "{q}ruf", "{q}ufer"),
        *("{n} ohne {m}", "{n} und {m}", "{n} aus {m}", "Kein {q}lied", "Unser {q}haus"),
    ),
    band_forms=("{q}{u}", "{q}{u} {n}", "{g} und die {n}"),
    endings=("im Juni", "zu zweit", "Heute", "um vier", "noch einmal", "bis Montag", "nach Mitternacht", "von fern"),
)
PORTUGUESE = Words(
    given="Anais Belmira Caetana Davi Eulalia Fausto Gilda Heitor Iracema Jandira Livia Matheus Nadia Otavio Piedade "
    "Quiteria Rui Serena Tome Ubirajara Vitoria Xavier Yara Zuleica",
    family_starts="Al Bar Cam Cor Dou Estre Fer Gam Lam Mel Nog Oliv Pin Quei Ribe Sam Tav Val Ver Xav",
    family_ends="adeiro aia alva ande ares avio eira elas era eto inho oes oso ota uel ura",
    nouns="Agua Areia Aurora Barco Brisa Cais Chuva Cidade Cinza Espelho Espuma Estrada Estrela Farol Flor Fumaca "
    "Inverno Janela Jardim Lua Luz Mar Mare Neblina Noite Nuvem Onda Pedra Ponte Rio Rua Sal Saudade Serra Sombra Vento",
    qualifiers="Ausente Azul Breve Brilhante Constante Distante Doce Elegante Feliz Fugaz Gentil Imovel Invisivel Leve "
    "Livre Selvagem Simples Suave Triste Verde",
    units="Baile Bloco Bonde Clube Cordao Estudio Gremio Padaria Varanda Salao",
    title_forms=("{n} {q}", "{n} e {m}", "{n} sem {m}", "{n} da {m}"),
    band_forms=("{u} {n}", "{u} {q}", "{g} {n}"),
    endings=("Outra Vez", "em Abril", "a Dois", "de Novo", "ate Amanha", "ao Longe", "sem Pressa", "a Meia-Noite"),
)
JAPANESE = Words(
    given="Akane Asahi Chihiro Daichi Emi Fuyuko Haruto Hinata Itsuki Kaede Kohaku Mirai Nagisa Natsume Ren Rikka Ritsu "
    "Sakuya Shiori Sora Suzu Tsubasa Yukino Yuzuki",
    family_starts="Aki Ao Asa Fuyu Haya Hoshi Kaze Kiri Kumo Michi Natsu Nishi Sawa Shio Shira Taka Tomo Tsuki Yama "
    "Yuki",
    family_ends="bane dani gawa hara hashi hata jima kado maki mori nami saki se sono tani zuka",
    nouns="Ame Asa Hana Haru Hikari Hoshi Kagami Kage Kaze Kiri Kisetsu Kokoro Kumo Machi Michi Mizu Mori Nami Natsu "
    "Niji Oto Sakura Shima Sora Tabi Tegami Toki Tsuki Umi Uta Yoru Yuki Yume Yuugure",
    qualifiers="Akai Aoi Atarashii Awai Chiisana Furui Hateshinai Kagayaku Kieta Kuroi Nagai Nemuru Shiroi Shizukana "
    "Tooi Tsumetai Wasureta Yasashii",
    units="Densha Denki Gekijo Hoteru Kikai Kissa Kousaku Shokudo Toshokan Yuuenchi",
    title_forms=("{n} no {m}", "{q} {n}", "{n} to {m}", "{n} made no {m}", "{q} {n} no {m}"),
    band_forms=("{n} {u}", "{q} {u}"),
    endings=("e Kaeru", "mo Mata", "yo", "kara", "dake", "ga Kikoeru", "ni Nemure", "wo Sagashite"),
)
KOREAN = Words(
    given="Areum Bitna Boram Chaewon Dahye Dasom Eunbi Garam Haneul Hyerin Jiho Jinsol Junseo Kangmin Minseo Miran "
    "Naeun Narae Saerom Sebin Seoha Taeo Woori Yeoreum",
    family_starts="Ban Bong Cheon Do Eo Gil Gok Hwang Jang Ma Mok Nam Ok Pyo Ryu Sa Seo Seol Tak Wi",
    family_ends="bo dan goong gwang gyeom ha jin mu rae rim ru san sol ul won yeon",
    nouns="Bada Bam Baram Bit Bom Byeol Chueok Dal Doshi Eoreum Gaeul Geurim Gil Gyeoul Hyanggi Ireum Isul Jangmi Kkot "
    "Kkum Maeum Mul Namu Noeul Norae Nun Nunmul Pado Pyeonji Sigan Sori Sup Yeonghwa Yuri",
    qualifiers="Bitnaneun Chagaun Eodun Geomeun Gipeun Hayan Ireobeorin Jageun Joyonghan Malgeun Meon Nateun Neurin "
    "Oraen Pureun Saeroun Ttatteuthan Tteugeoun",
    units="Bihaengseon Daebang Donghohoe Geukjang Gongjang Jeonpa Sangsa Seojeom Uchegug Yeonguso",
    title_forms=("{n}-ui {m}", "{q} {n}", "{n} geurigo {m}", "{n} eomneun {m}", "{q} {n}-ui {m}"),
    band_forms=("{n} {u}", "{q} {u}"),
    endings=("Dasi", "Oneul", "Neoege", "Kkaji", "Cheoreom", "Majimak", "Hanbeon", "Eonjena"),
)
MANDARIN = Words(
    given="Anning Baihe Chenxi Dongmei Fanghua Guangyu Haoran Jialin Kexin Lanyi Mingzhu Nianci Peizhi Qingshan Ruoxi "
    "Shaowen Tianyu Wanqing Wenyan Xiaoman Yichen Yunfei Zeyu Ziheng",
    family_starts="Bai Chun Dong Feng Gu Hai Jin Lan Lin Mo Nan Qing Shan Shu Song Tang Wen Xi Yun Zhu",
    family_ends="he hu jiang ling men mu pu qiao quan ru shi tian wan xi ye zhou",
    nouns="Caihong Changqiao Chengshi Chuntian Dahai Daoyu Denghuo Dongtian Feng Gaoshan Guangying Heliu Huaban "
    "Huanghun Huiyi Jingzi Liming Malu Mengjing Qiutian Senlin Shatan Shengyin Shijian Tiankong Xiaochuan Xiatian "
    "Xinfeng Xingxing Xue Yewan Yu Yueguang Yumao Yun Zhihe",
    qualifiers="Anjing Baise Bingleng Gudu Hongse Jiujiu Lanse Mingliang Mosheng Piaofu Shenshen Touming Wangji Wenrou "
    "Xiaoxiao Yaoyuan Ziyou Zuihou",
    units="Chaguan Dianying Gongchang Juchang Julebu Lueguan Shudian Yanjiusuo Youju Yuedui",
    title_forms=("{n} de {m}", "{q} {n}", "{n} yu {m}", "{q} de {n}", "{q} {n} de {m}"),
    band_forms=("{n} {u}", "{q} {u}"),
    endings=("Zaijian", "Jinwan", "Wei Ni", "Zai Lai", "Yongyuan", "Mingtian", "Yi Ci", "Zhihou"),
)
WORDS = (ENGLISH, SPANISH, FRENCH, GERMAN, PORTUGUESE, JAPANESE, KOREAN, MANDARIN)  # in the order of LANGUAGES
ENSEMBLES = (
    *("Ensemble", "Collective", "Project", "Quartet", "Trio", "Orchestra", "Brothers", "Sisters", "Sessions"),
    *("Company", "Circle", "Workshop", "Band"),
)
VERSIONS = ("(Live)", "(Acoustic)", "(Demo)", "(Remix)", "(Instrumental)", "(Interlude)")
