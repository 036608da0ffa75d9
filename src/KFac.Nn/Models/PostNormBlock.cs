using KFac.Kernels;

namespace KFac.Nn;

/// <summary>A block of the encoder or the decoder: each branch is added to its input and the sum is normalised.</summary>
internal sealed class PostNormBlock : Module
{
    private readonly DropoutLayer _dropout;
    private readonly MultiHeadAttention _attention;
    private readonly LayerNormalization _attentionNorm;
    private readonly MultiHeadAttention? _cross;
    private readonly LayerNormalization? _crossNorm;
    private readonly Sequential _perceptron;
    private readonly LayerNormalization _perceptronNorm;

    public PostNormBlock(string name, EncoderDecoderTransformerOptions options, bool isDecoder)
    {
        _dropout = new DropoutLayer(options.Dropout);
        _attention = Attention($"{name}.attention", options, causal: isDecoder);
        _attentionNorm = new LayerNormalization($"{name}.norm1", options.Width);
        if (isDecoder)
        {
            _cross = Attention($"{name}.cross", options, causal: false);
            _crossNorm = new LayerNormalization($"{name}.norm2", options.Width);
        }

        _perceptron = new Sequential(
            new Linear($"{name}.hidden", options.Width, options.HiddenWidth, bias: true, WeightInitialization.Glorot),
            new ActivationLayer(ActivationKind.Relu),
            new Linear($"{name}.projection", options.HiddenWidth, options.Width, bias: true, WeightInitialization.Glorot));
        _perceptronNorm = new LayerNormalization($"{name}.{(isDecoder ? "norm3" : "norm2")}", options.Width);
    }

    /// <summary>Of an encoder.</summary>
    public override Variable Forward(Tape tape, Variable input)
    {
        Variable x = Add(tape, input, _attention.Forward(tape, input), _attentionNorm);
        return Add(tape, x, _perceptron.Forward(tape, x), _perceptronNorm);
    }

    /// <summary>Of a decoder.</summary>
    public Variable Forward(Tape tape, Variable input, Variable memory)
    {
        Variable x = Add(tape, input, _attention.Forward(tape, input), _attentionNorm);
        x = Add(tape, x, _cross!.Forward(tape, x, memory), _crossNorm!);
        return Add(tape, x, _perceptron.Forward(tape, x), _perceptronNorm);
    }

    public override void Register(ParameterRegistry registry)
    {
        _attention.Register(registry);
        _attentionNorm.Register(registry);
        _cross?.Register(registry);
        _crossNorm?.Register(registry);
        _perceptron.Register(registry);
        _perceptronNorm.Register(registry);
    }

    private static MultiHeadAttention Attention(string name, EncoderDecoderTransformerOptions options, bool causal) =>
        new(name, new MultiHeadAttentionOptions { Width = options.Width, Heads = options.Heads, Causal = causal });

    private Variable Add(Tape tape, Variable input, Variable branch, LayerNormalization norm) =>
        norm.Forward(tape, AdditionOperation.Record(tape, input, _dropout.Forward(tape, branch)));
}
