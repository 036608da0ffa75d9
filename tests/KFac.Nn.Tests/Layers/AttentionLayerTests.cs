using KFac.Engine;
using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Nn.Tests;

/// <summary>Multi-head attention and the transformers made of it, on sequences of one length and ragged ones.</summary>
public class AttentionLayerTests
{
    private const int Vocabulary = 5;
    private const int Width = 4;
    private const int Heads = 2;

    private static readonly int[] s_tokens = [3, 0, 3, 4, 1, 1, 3, 2, 0, 4];
    private static readonly int[] s_context = [1, 2, 0, 4, 4, 3];
    private static readonly int[] s_whole = [0, 5, 10];
    private static readonly int[] s_ragged = [0, 4, 9, 10];
    private static readonly int[] s_contextRagged = [0, 1, 3, 6];
    private static readonly int[] s_contextWhole = [0, 3, 6];

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void Self_attention_is_that_of_the_equations(bool ragged, bool causal)
    {
        var attention = new MultiHeadAttention("a", new MultiHeadAttentionOptions { Width = Width, Heads = Heads, Causal = causal });
        using var test = new TestNetwork(new Sequential(new TokenEmbedding("e", Vocabulary, Width), attention), new SquaredErrorLoss());
        int[] offsets = ragged ? s_ragged : s_whole;
        Variable output = test.Network.Forward(test.Tokens(s_tokens, 2, ragged ? offsets : null));
        TokenChecks.OutputsAndGradients(test, output, Width, p =>
        {
            double[] x = RowGatherReference.Gather(p[..(Vocabulary * Width)], Width, s_tokens);
            return TransformerFunctions.Attention(x, offsets, x, offsets, p[(Vocabulary * Width)..], Width, Heads, causal);
        });
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void An_encoder_decoder_is_that_of_the_equations(bool ragged)
    {
        Module model = EncoderDecoderTransformer.Build(new EncoderDecoderTransformerOptions
        {
            Vocabulary = Vocabulary,
            Length = 6,
            Width = Width,
            HiddenWidth = 3,
            Heads = Heads,
            Depth = 1,
            Dropout = 0,
        });
        using var test = new TestNetwork(model, new SquaredErrorLoss());
        (int[] target, int[] source) = ragged ? (s_ragged, s_contextRagged) : (s_whole, s_contextWhole);
        Variable output = test.Network.Forward(
            test.Tokens(s_tokens, 2, ragged ? target : null), test.Tokens(s_context, 2, ragged ? source : null));
        TokenChecks.OutputsAndGradients(
            test, output, Vocabulary, p => TransformerFunctions.EncoderDecoder(s_context, source, s_tokens, target, p, Vocabulary, 6, Width, 3, Heads));
    }

    [Fact]
    public void A_generative_transformer_is_that_of_the_equations()
    {
        Module model = GenerativeTransformer.Build(new GenerativeTransformerOptions { Vocabulary = Vocabulary, Length = 6, Width = Width, Depth = 1, Heads = Heads });
        using var test = new TestNetwork(model, new SquaredErrorLoss());
        Variable output = test.Network.Forward(test.Tokens(s_tokens, 2));
        TokenChecks.OutputsAndGradients(
            test, output, Vocabulary, p => TransformerFunctions.Generative(s_tokens, s_whole, p, Vocabulary, 6, Width, Heads));
    }

    /// <summary>The future doesn't reach the past.</summary>
    [Fact]
    public void A_causal_model_sees_no_later_tokens()
    {
        Module model = GenerativeTransformer.Build(new GenerativeTransformerOptions { Vocabulary = Vocabulary, Length = 5, Width = Width, Depth = 2, Heads = Heads });
        using var test = new TestNetwork(model, new CrossEntropyLoss());
        float[] before = test.Read(test.Network.Forward(test.Tokens(s_tokens, 2)).Value);
        int[] changed = [.. s_tokens];
        changed[3] = 0;
        float[] after = test.Read(test.Network.Forward(test.Tokens(changed, 2)).Value);
        Assert.Equal(before[..(3 * Vocabulary)], after[..(3 * Vocabulary)]);
        Assert.NotEqual(before[(3 * Vocabulary)..(5 * Vocabulary)], after[(3 * Vocabulary)..(5 * Vocabulary)]);
        Assert.Equal(before[(5 * Vocabulary)..], after[(5 * Vocabulary)..]);
    }

    /// <summary>Sequences of different lengths side by side are what each is alone, and no row of padding is handed over.</summary>
    [Fact]
    public void Ragged_sequences_are_what_they_are_alone()
    {
        Module model = GenerativeTransformer.Build(new GenerativeTransformerOptions { Vocabulary = Vocabulary, Length = 5, Width = Width, Depth = 2, Heads = Heads });
        using var test = new TestNetwork(model, new CrossEntropyLoss());
        float[] together = test.Read(test.Network.Forward(test.Tokens(s_tokens, 3, s_ragged)).Value);
        test.SetLabelTargets();
        Capture inputs = test.CaptureInputs();
        Assert.All(inputs.Deliveries, delivery => Assert.Equal((3, 0), (delivery.Examples, delivery.Sharing)));
        Assert.Equal(10 * Width, inputs.RowsOf(1).Length);
        Capture gradients = test.CaptureOutputGradients(CurvatureKind.MonteCarlo, samples: 2);
        Assert.Equal(2 * 10 * Width, gradients.RowsOf(1).Length);
        for (int n = 0; n < 3; n++)
        {
            float[] alone = test.Read(test.Network.Forward(test.Tokens(s_tokens[s_ragged[n]..s_ragged[n + 1]], 1)).Value);
            double[] expected = TestData.ToDouble(together.AsSpan(s_ragged[n] * Vocabulary, alone.Length));
            ErrorBound.AssertWithin(alone, expected, Array.ConvertAll(expected, _ => ErrorBound.Gamma(256)), $"sequence {n}");
        }
    }

    [Fact]
    public void Bad_inputs_are_refused_by_name()
    {
        Assert.Throws<ArgumentException>(() => new MultiHeadAttention("a", new MultiHeadAttentionOptions { Width = 5, Heads = 2 }));
        var options = new MultiHeadAttentionOptions { Width = Width, Heads = Heads };
        using var test = new TestNetwork(new MultiHeadAttention("mixer", options), new SquaredErrorLoss());
        Assert.Contains("'mixer'", Assert.Throws<ArgumentException>(() => test.Forward(TensorShape.Of(6, Width))).Message, StringComparison.Ordinal);
        Assert.Contains("'mixer'", Assert.Throws<ArgumentException>(() => test.Forward(TensorShape.Of(2, 3, 5))).Message, StringComparison.Ordinal);
        using var pair = new TestNetwork(
            EncoderDecoderTransformer.Build(new EncoderDecoderTransformerOptions { Vocabulary = 5, Length = 6, Width = 4, HiddenWidth = 3, Heads = 2 }),
            new CrossEntropyLoss());
        Assert.Throws<ArgumentException>(() => pair.Network.Forward(pair.Tokens(s_tokens, 2)));
    }
}
