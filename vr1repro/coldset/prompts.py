"""The prompts of Modality Bridging, as far as they are published."""

# Not stated. The paper's Figure 2 shows the reply's two headings, Caption and Reasoning, "following prior works".
PSEUDO_COT = (
    "Given an image, a question:{question} and its answer:{answer}, write a Caption of the image and the Reasoning that"
    " leads to the answer."
)

# v1 and v4 section 3.3.1, to the letter ("a image"); the paper's text ends in an ellipsis, what follows is not stated.
DESCRIPTION = (
    "Given a image, a question:{question} and a thinking process:{pseudo_cot}, provide a detailed description"
    " containing all the necessary details of the image to answer the question correctly"
)

# Not stated: the same without its thinking process, for `coldset.pseudo_cot: false` and the comparison of v1 Figure 3.
PLAIN_DESCRIPTION = (
    "Given a image, a question:{question}, provide a detailed description containing all the necessary details of the"
    " image to answer the question correctly"
)

# v1 Figure 2: after the description, before the question.
REASON = "{description}\nFollowing the above image description, think step by step and answer the following question"
REASON += " directly.\n{question}"

# Not stated; with `coldset.answer_in_reasoner_prompt` (the author's issue #17 says that the answer goes in).
REASON_WITH_ANSWER = REASON + "\nThe answer is {answer}."
