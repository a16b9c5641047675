"""Small models of each architecture with random weights, written as folders as publishers write them."""

import json
from pathlib import Path
from typing import Any

WORDS = (
    "the ferry leaves at seven in the morning . lighthouse flashes three times at night when does "
    "it leave fish is sold market how many people live there three and half million berlin had population"
)
QUERY = "When does the ferry leave in the morning?"
TEXTS = (
    "The ferry leaves at seven in the morning.",
    "The lighthouse flashes three times at night.",
    "Fish is sold at the market. " * 20,
    "",
    "Zwölf Boote, 字, and a word xyzzy that nobody knows.",
)
CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("Bert", {}),
    "electra": ("Electra", {"embedding_size": 16}),
    "distilroberta": ("Roberta", {"num_labels": 1, "max_position_embeddings": 80, "type_vocab_size": 1}),
    "roberta-two-labels": ("Roberta", {"num_labels": 2, "max_position_embeddings": 80, "type_vocab_size": 1}),
    "xlm-roberta": ("XLMRoberta", {"max_position_embeddings": 80, "type_vocab_size": 1}),
    "deberta-v2": (
        "DebertaV2",
        {
            "relative_attention": True,
            "pos_att_type": ["p2c", "c2p"],
            "position_buckets": 16,
            "position_biased_input": False,
            "type_vocab_size": 0,
            "max_position_embeddings": 64,
        },
    ),
    "modernbert": ("ModernBert", {"global_attn_every_n_layers": 2, "local_attention": 16}),
}
"""Name → its class in transformers, and what is not as in the others. As published: qnli-distilroberta and
ms-marco-electra have one label, BAAI/bge-reranker-v2-m3 is an XLM-R, mxbai-rerank v1 a DeBERTa."""


def cross_encoder(name: str, folder: Path, **more: Any) -> Path:
    """A cross-encoder with the tokenizer class of its family."""
    import torch
    import transformers

    family, own = CONFIGS[name]
    folder.mkdir()
    size = write_words(folder, family)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    ids = {"pad_token_id": 1 if "oberta" in family.lower() else 0, "cls_token_id": 2, "sep_token_id": 3}
    settings = {"vocab_size": size, "num_labels": 1, "max_position_embeddings": 96, **sizes, **ids, **own}
    torch.manual_seed(sum(map(ord, name)))
    config = getattr(transformers, f"{family}Config")(**(settings | more), initializer_range=0.6)
    model = getattr(transformers, f"{family}ForSequenceClassification")(config)
    model.save_pretrained(folder)
    return folder


def write_words(folder: Path, family: str) -> int:
    """A tokenizer.json of the family's kind and what says which class reads it; the number of its tokens."""
    from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors, trainers
    from tokenizers.models import BPE, Unigram, WordPiece

    roberta = family in ("Roberta", "XLMRoberta")
    cls, sep, pad = ("<s>", "</s>", "<pad>") if roberta else ("[CLS]", "[SEP]", "[PAD]")
    unk, mask = ("<unk>", "<mask>") if roberta else ("[UNK]", "[MASK]")
    # ids: Roberta's padding is 1, others' 0
    special = [unk, pad, cls, sep, mask] if roberta else [pad, unk, cls, sep, mask]
    if family in ("Roberta", "ModernBert"):
        words = Tokenizer(BPE(unk_token=unk))
        words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        words.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer: Any = trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet)
    elif family in ("XLMRoberta", "DebertaV2"):
        words = Tokenizer(Unigram())
        words.pre_tokenizer = pre_tokenizers.Metaspace()
        words.decoder = decoders.Metaspace()
        trainer = trainers.UnigramTrainer(vocab_size=120, special_tokens=special, unk_token=unk)
    else:
        words = Tokenizer(WordPiece(unk_token=unk))
        words.normalizer = normalizers.BertNormalizer()
        words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        words.decoder = decoders.WordPiece()
        trainer = trainers.WordPieceTrainer(vocab_size=200, special_tokens=special)
    words.train_from_iterator([WORDS, QUERY, *TEXTS], trainer)
    one, two = words.token_to_id(cls), words.token_to_id(sep)
    pair = f"{cls} $A {sep} {sep} $B {sep}" if roberta else f"{cls} $A {sep} $B:1 {sep}:1"
    words.post_processor = processors.TemplateProcessing(
        single=f"{cls} $A {sep}", pair=pair, special_tokens=[(cls, one), (sep, two)]
    )
    words.save(str(folder / "tokenizer.json"))
    fed = ["input_ids", "attention_mask"]
    if family in ("Bert", "Electra", "DebertaV2"):
        fed.insert(1, "token_type_ids")
    said = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_input_names": fed,
        "model_max_length": 96,
        **{"cls_token": cls, "sep_token": sep, "pad_token": pad, "unk_token": unk, "mask_token": mask},
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(said))
    return int(words.get_vocab_size())


def causal(folder: Path, family: str = "Qwen3") -> Path:
    """A small Qwen, its bytes as tokens, with the turns of its chat and the words of the recipes."""
    import torch
    import transformers
    from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers, trainers
    from tokenizers.models import BPE

    folder.mkdir()
    words = Tokenizer(BPE())
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=420, initial_alphabet=alphabet, special_tokens=["<|endoftext|>"])
    words.train_from_iterator(["yes no Yes No 0 1 " * 20, WORDS, QUERY, *TEXTS], trainer)
    words.add_special_tokens(["<|im_start|>", "<|im_end|>"])
    words.add_tokens([AddedToken(t, special=False, normalized=False) for t in ("<think>", "</think>")])
    words.add_tokens([AddedToken(t, special=False, normalized=False) for t in ("yes", "no", "Yes")])
    words.save(str(folder / "tokenizer.json"))
    said = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": 4096,
        "pad_token": "<|endoftext|>",
        "eos_token": "<|im_end|>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(said))
    torch.manual_seed(7)
    config = getattr(transformers, f"{family}Config")(
        vocab_size=words.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        intermediate_size=48,
        max_position_embeddings=4096,
        initializer_range=0.3,
    )
    getattr(transformers, f"{family}ForCausalLM")(config).save_pretrained(folder)
    return folder
